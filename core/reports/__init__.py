"""Exports for people: what they open without PneumoScope."""

from core.reports.audit import audit_html, mean_difference
from core.reports.evaluation import evaluation_html, evaluation_pdf, report_json
from core.reports.extras import Extras

__all__ = ["Extras", "audit_html", "evaluation_html", "evaluation_pdf", "mean_difference", "report_json"]
