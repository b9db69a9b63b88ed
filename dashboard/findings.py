"""The audit on screen: each finding with its films, and what can be done about it."""

import json

import streamlit as st

from core import reports
from core.data import audit as auditing
from core.data.audit import Audit
from core.data.checks.finding import NOTE, SERIOUS, WARNING, Finding, plural
from core.data.manifest import EXCLUDE, Fix
from core.data.prepare import Prepared
from core.data.sample import CLASS_NAMES
from core.errors import UserError
from dashboard import components, state

BADGES = {
    SERIOUS: ("Serious", "red", ":material/dangerous:"),
    WARNING: ("Warning", "orange", ":material/warning:"),
    NOTE: ("Note", "blue", ":material/info:"),
}
GROUPS_A_PAGE, SINGLES_A_PAGE, MOST_IN_GROUP = 6, 24, 8


def show(found: Audit, prepared: Prepared) -> None:
    """The whole audit: findings, what was decided, and the downloads."""
    st.markdown(
        f"What in this data set would make a score better than it deserves. **{found.films:,}** films of "
        f"**{found.patients:,}** patients were looked at."
    )
    if not found.findings:
        st.success("Nothing was found.", icon=":material/verified:")
    for finding in found.findings:
        _show_finding(finding, prepared)
    if found.shared_if_random > 0.01:
        st.info(
            f"Were a tenth of the films drawn one by one for validation, **{found.shared_if_random:.0%}** of those "
            "would have another film of the same patient in training. Here every split is drawn by patient.",
            icon=":material/groups:",
        )
    _show_fixes(prepared)
    _downloads(found, prepared)


def _show_finding(finding: Finding, prepared: Prepared) -> None:
    label, color, icon = BADGES[finding.severity]
    opened = st.session_state.get(state.FINDING) == finding.id
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(label, color=color, icon=icon)
            st.markdown(f"**{components.plain(finding.title)}**", width="stretch")
        st.markdown(f"{components.plain(finding.meaning)}  \n:gray[What to do:] {components.plain(finding.advice)}")
        with st.container(horizontal=True):
            if finding.groups:
                st.button(
                    "Hide the films" if opened else f"Show {plural(len(finding.films), 'film')}",
                    key=f"films_{finding.id}",
                    icon=":material/visibility_off:" if opened else ":material/photo_library:",
                    on_click=_open,
                    args=("" if opened else finding.id,),
                )
            if finding.fix:
                st.button(
                    finding.fix_label,
                    key=f"fix_{finding.id}",
                    icon=":material/build:",
                    type="primary",
                    on_click=_apply,
                    args=(prepared, finding.fix),
                    help="It is written down with the data set and can be taken back. No file is touched.",
                )
        if opened:
            _films(finding, prepared)


def _open(id: str) -> None:
    st.session_state[state.FINDING] = id


def _apply(prepared: Prepared, fix: Fix) -> None:
    try:
        auditing.apply(prepared, fix)
    except UserError as error:
        st.toast(str(error), icon=":material/error:")
        return
    st.session_state.pop(state.FINDING, None)
    st.toast("Done. It is listed below the findings, and can be taken back there.", icon=":material/check:")


def _undo(prepared: Prepared, fix: Fix) -> None:
    try:
        auditing.undo(prepared, fix)
    except UserError as error:
        st.toast(str(error), icon=":material/error:")
        return
    st.toast("Taken back.", icon=":material/undo:")


@st.fragment
def _films(finding: Finding, prepared: Prepared) -> None:
    rows = {film: row for row, film in enumerate(prepared.table["id"])}
    grouped = any(len(group.films) > 1 for group in finding.groups)
    each = GROUPS_A_PAGE if grouped else SINGLES_A_PAGE
    pages = -(-len(finding.groups) // each)
    page = st.pagination(pages, key=f"page_{finding.id}") if pages > 1 else 1
    shown = finding.groups[(page - 1) * each : page * each]
    if not grouped:
        _film_grid([film for group in shown for film in group.films], rows, prepared)
        return
    for group in shown:
        with st.container(horizontal=True):
            if group.across_splits:
                st.badge("Across parts", color="red", icon=":material/call_split:")
            if group.across_labels:
                st.badge("Both labels", color="red", icon=":material/rule:")
        _film_grid(group.films[:MOST_IN_GROUP], rows, prepared)
        if len(group.films) > MOST_IN_GROUP:
            st.caption(f"and {len(group.films) - MOST_IN_GROUP:,} more")


def _film_grid(films: list[str] | tuple[str, ...], rows: dict[str, int], prepared: Prepared) -> None:
    errors = {item["file"]: item["error"] for item in prepared.unreadable}
    readable = [film for film in films if film in rows]
    with st.grid(8, min_column_width=96):
        for film in readable:
            row = rows[film]
            label = CLASS_NAMES[prepared.table["label"][row]]
            part = prepared.table["split"][row]
            caption = f"{components.plain(film.rsplit('/', 1)[-1])} · {label}{f' · {part}' if part else ''}"
            components.film(prepared.film(row), caption, f"{film}, {label}")
    lost = [{"File": film, "Why": errors.get(film, "")} for film in films if film not in rows]
    if lost:
        st.dataframe(lost, hide_index=True, alt="Files that cannot be read, with the reason")


def _show_fixes(prepared: Prepared) -> None:
    if not prepared.source.fixes:
        return
    st.subheader("Decided about these films")
    for number, fix in enumerate(prepared.source.fixes, 1):
        with st.container(horizontal=True, vertical_alignment="center"):
            what = f"{plural(len(fix.films), 'film')} left out" if fix.kind == EXCLUDE else "All parts drawn anew"
            st.markdown(f"**{what}** · {components.plain(fix.why)} · {fix.made}", width="stretch")
            st.button("Undo", key=f"undo_{number}", icon=":material/undo:", on_click=_undo, args=(prepared, fix))


def _downloads(found: Audit, prepared: Prepared) -> None:
    stem = "".join(sign if sign.isalnum() else "-" for sign in found.data)
    with st.container(horizontal=True):
        st.download_button(
            "Audit as a page",
            lambda: reports.audit_html(found, prepared),
            f"audit-{stem}.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "Audit as JSON",
            lambda: json.dumps(found.to_json(), indent=1),
            f"audit-{stem}.json",
            "application/json",
            icon=":material/data_object:",
            on_click="ignore",
        )
