"""Exports for people: what they open without PneumoScope."""

from core.reports.audit import audit_html, mean_difference
from core.reports.evaluation import evaluation_html, evaluation_pdf, report_json
from core.reports.extras import Extras
from core.reports.prediction import Asked, prediction_html, prediction_pdf

__all__ = [
    "Asked",
    "Extras",
    "audit_html",
    "evaluation_html",
    "evaluation_pdf",
    "mean_difference",
    "prediction_html",
    "prediction_pdf",
    "report_json",
]
