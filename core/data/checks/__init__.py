"""The checks of the audit. A new one is a function here or in a file of its own, and one line in CHECKS."""

from core.data.checks import copies, files, parts, shortcuts

# Each takes the films that count and yields findings.
CHECKS = (
    files.unreadable,
    copies.exact,
    copies.near,
    parts.patients_across,
    parts.crowded_patient,
    parts.small_validation,
    parts.prevalence_shift,
    parts.class_balance,
    shortcuts.separating,
    shortcuts.one_class_only,
    files.odd_films,
    files.misnamed,
    files.tiny,
)
