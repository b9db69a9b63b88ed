"""The settings of a new run: presets, fields with their meaning, advice, and what will come of them."""

import dataclasses
from typing import Any

import streamlit as st

from core import advice, architectures, jobs, machine, model_store, presets, runs, starting
from core.architectures import ARCHITECTURES
from core.data.sample import DataSet
from core.errors import UserError
from core.presets import PRESETS
from core.settings import TrainSettings
from dashboard import components, previews, run_tables, state

PREFIX, ARCHITECTURE = "train", "architecture"
TRAINING = ("epochs", "batch_size", "learning_rate", "optimizer", "image_size", "framing", "equalise")
RECIPE = (
    "schedule", "warmup_epochs", "early_stopping", "class_weighting", "label_smoothing", "weight_averaging",
    "keep", "subtypes", "head_epochs", "backbone_rate", "precision"
)  # fmt: skip
AUGMENTATION = (
    "rotation", "zoom", "shift", "stretch", "mirror", "brightness", "contrast", "gamma", "coarseness", "noise"
)  # fmt: skip
PARTS = ("validation_fraction", "test_fraction", "folds", "fold", "seed")
GROUPS = {
    "Training": TRAINING,
    "Network": ("start",),
    "Recipe": RECIPE,
    "Augmentation": AUGMENTATION,
    "Parts and seed": PARTS,
}
FIELDS = {field.name: field for field in dataclasses.fields(TrainSettings)}


@st.fragment
def show() -> None:
    """The form; it alone is drawn anew when a field changes."""
    source = components.chosen_data()
    if not source:
        return
    fill_in()
    components.synthetic_badge(source.synthetic)
    show_presets(source)
    measuring = st.container()
    settings, error = fields(source)
    if settings:
        origin_line(settings)
        show_outcome(source, settings)
    else:
        components.show_error(error.what, error.fix)
        st.button("Start training", type="primary", icon=":material/play_arrow:", key="start", disabled=True)
    if not machine.measured().get("speed"):
        with measuring:
            measure()


def fill_in() -> None:
    """Puts settings that wait for it into the widgets, before these are drawn."""
    settings = state.take_prefill()
    if not state.origin():
        begin_with_a_preset()
    if not settings or settings.architecture not in ARCHITECTURES:
        return
    state.put(ARCHITECTURE, settings.architecture)
    for name, field in FIELDS.items():
        if "label" in field.metadata:
            state.put(f"{PREFIX}_{name}", components.as_entered(field, getattr(settings, name)))
    options = architectures.options_of(settings)
    for field in dataclasses.fields(options):
        key = f"{settings.architecture}_{field.name}"
        state.put(key, components.as_entered(field, getattr(options, field.name)))


def begin_with_a_preset() -> None:
    """A form that nobody touched is a preset too, if one is made of the defaults."""
    for name in PRESETS:
        settings = presets.apply(name, state.data_key())
        if not run_tables.changes(TrainSettings(), settings):
            state.remember_origin("preset", name, settings)


def show_presets(source: DataSet) -> None:
    """A card for each preset, with what it is for and how long it takes here."""
    origin = state.origin()
    with st.grid(len(PRESETS), min_column_width=240):
        for name, preset in PRESETS.items():
            with st.container(border=True, height="stretch"):
                settings = presets.apply(name, source.key)
                chosen = origin is not None and (origin.kind, origin.name) == ("preset", name)
                st.markdown(f"**{preset.title}**{' :blue-badge[:material/check: chosen]' if chosen else ''}")
                st.markdown(preset.text)
                st.caption(f"{preset.measured} A model of {architectures.megabytes(settings):,.0f} MB.")
                st.space("stretch")
                with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                    if st.button("Use these settings", key=f"preset_{name}", disabled=chosen):
                        state.prefill(settings, "preset", name)
                        st.rerun()
                    if minutes := minutes_in_words(settings, source):
                        st.caption(f":material/timer: {minutes}", width="content")


def minutes_in_words(settings: TrainSettings, source: DataSet) -> str:
    """How long it will take here; "" where nothing is measured."""
    minutes = advice.minutes(settings, len(source.samples))
    if minutes is None:
        return ""
    if minutes < 1:
        return f"about {max(5, round(minutes * 12) * 5)} s"
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"


def measure() -> None:
    """Has the machine measured once, while no run needs it, so that times can be told."""
    folder = state.probe_folder()
    status = jobs.status(folder)
    if state.at_work()[0]:
        st.caption(":material/timer: How long a run takes will be measured when none trains.")
        return
    if status.state in ("failed", "interrupted") and folder.exists():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(":material/timer_off: The speed of this machine could not be measured.", width="content")
            if not st.button("Measure again", icon=":material/speed:"):
                return
    with components.explained():
        if not jobs.is_open(jobs.status(folder)) or not folder.exists():
            jobs.begin(folder, ["probe", "--job", folder.name])
        components.follow(folder, "Measuring this machine, to tell how long a run will take", "step")


def fields(source: DataSet) -> tuple[TrainSettings | None, UserError | None]:
    """Every field as a widget; returns the settings as entered, or why there are none."""
    values: dict[str, Any] = {}
    with st.container(border=True):
        st.subheader("Training", icon=":material/model_training:")
        grid(TRAINING, 4, values)
    network = st.container(border=True)
    with network:
        st.subheader("Network", icon=":material/schema:")
        architecture, options = network_fields()
    with st.expander("Recipe: schedule, early stopping, class weighting, precision", icon=":material/menu_book:"):
        grid(RECIPE, 4, values)
    varied = st.expander(
        "Augmentation: films varied anew in every epoch", icon=":material/tune:", key="augmentation", on_change="rerun"
    )
    with varied:
        grid(AUGMENTATION, 4, values)
    with st.expander("Parts and seed", icon=":material/call_split:"):
        grid(PARTS, 3, values)
    try:
        entered = architectures.parsed(architecture, options)
        values["start"] = state.value(f"{PREFIX}_start")
        settings = TrainSettings(data=source.key, architecture=architecture, options=entered, **values)
        layers = architectures.layers_of(settings)
        starting.check(settings)
    except UserError as error:
        return None, error
    with network:
        previews.show_network(layers)
    if varied.open:
        with varied:
            previews.show_augmentation(source, settings)
    return settings, None


def grid(names: tuple[str, ...], columns: int, values: dict[str, Any]) -> None:
    with st.grid(columns, min_column_width=140, vertical_alignment="bottom"):
        for name in names:
            values[name] = components.setting_widget(FIELDS[name], PREFIX)


def network_fields() -> tuple[str, dict[str, Any]]:
    with st.grid(4, min_column_width=140, vertical_alignment="bottom"):
        start_field()
        architecture = st.selectbox(
            "Architecture",
            list(ARCHITECTURES),
            format_func=lambda name: ARCHITECTURES[name].TITLE,
            key=ARCHITECTURE,
            persist_state="session",
        )
        options = {
            field.name: components.setting_widget(field, architecture)
            for field in dataclasses.fields(ARCHITECTURES[architecture].Options)
        }
    return architecture, options


def start_field() -> None:
    """The model whose weights the run begins with; choosing one fills the form with what suits it."""
    key, field = f"{PREFIX}_start", FIELDS["start"]
    names = ["", *(model.name for model in model_store.promoted())]
    if state.value(key) not in names:
        state.put(key, "")
    st.selectbox(
        field.metadata["label"],
        names,
        format_func=lambda name: name or "no model",
        help=field.metadata["help"],
        key=key,
        persist_state="session",
        on_change=fill_in_from_model,
    )


def fill_in_from_model() -> None:
    """Settings that go on from the model chosen; where none is, the form stays as it is."""
    name = state.value(f"{PREFIX}_start")
    if name:
        with components.explained():
            state.prefill(starting.fine_tuning(model_store.find(name), state.data_key()), "model", name)


def origin_line(settings: TrainSettings) -> None:
    """Says what was changed since the form was filled from a preset or a run."""
    origin = state.origin()
    if not origin:
        return
    changed = run_tables.changes(origin.settings, settings)
    title = PRESETS[origin.name].title if origin.kind == "preset" else f"{origin.kind} {origin.name}"
    if not changed and origin.kind == "preset":
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if not changed:
            st.caption(f":material/content_copy: Filled in from {title}.")
            return
        text = components.plain("; ".join(changed))
        st.caption(f":material/edit: Changed from {title}: {text}.", width="stretch")
        if st.button("Undo the changes", icon=":material/undo:"):
            state.prefill(dataclasses.replace(origin.settings, data=settings.data), origin.kind, origin.name)
            st.rerun()


def show_outcome(source: DataSet, settings: TrainSettings) -> None:
    """Time and memory it will take, what to beware of, and the button that starts it."""
    time, memory = minutes_in_words(settings, source), advice.memory_needed(settings)
    facts = [f"It will take {time}"] if time else []
    facts.append(f"{'and' if facts else 'It needs'} about {memory / 1e9:.1f} GB of memory")
    for found in advice.advise(settings, len(source.samples)):
        show = st.warning if found.serious else st.info
        icon = ":material/warning:" if found.serious else ":material/lightbulb:"
        show(found.fix, title=components.plain(found.what), icon=icon)
    with st.container(horizontal=True, vertical_alignment="center"):
        start_button(settings)
        st.markdown(f":material/timer: {' '.join(facts)}.", width="content")


def start_button(settings: TrainSettings) -> None:
    busy, _ = state.at_work()
    label = "Add to the queue" if busy else "Start training"
    icon = ":material/playlist_add:" if busy else ":material/play_arrow:"
    if st.button(label, type="primary", icon=icon, key="start"):
        with components.explained(), st.spinner("Starting …"):
            state.watch_run(runs.start(settings).name)
            state.look_again()
            st.rerun()
