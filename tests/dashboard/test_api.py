"""REST: the same answers as elsewhere, and every refusal."""

import base64
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import jsonschema
import numpy as np
import pytest

from core import cli, model_store
from core.prediction import Predictor
from dashboard import loaded, openapi, uploads
from dashboard.loaded import MODELS, Status
from dashboard.uploads import Limits
from tests.dashboard.rest import NAME, put_model, serving
from tests.dashboard.test_pages import open_page
from tests.helpers import encode, film, wait_for, write_dicom

FILM = encode(film(3, "lobar"), ".jpeg")
NOISE = np.random.default_rng(0).integers(0, 256, (400, 400), np.uint8)
TOKEN = "s3cret-ä"


@pytest.fixture(autouse=True)
def model(workspace):
    return put_model()


def figures(answer: dict) -> dict:
    """What depends on the film alone."""
    return {name: value for name, value in answer.items() if name not in ("file", "milliseconds")}


def test_the_same_film_gets_the_same_figures_over_rest_on_the_command_line_and_on_the_page(tmp_path, capsys):
    (tmp_path / "a.jpeg").write_bytes(FILM)
    (tmp_path / "b.png").write_bytes(encode(film(4)))
    write_dicom(tmp_path / "c.dcm", film(5, "lobar"), "4711")
    files = sorted(tmp_path.glob("?.*"))
    with serving() as client:
        over_rest = client.predict(*((file.name, file.read_bytes()) for file in files)).json()
        as_it_is = [client.ask("POST", "/predict", **raw(file.read_bytes())).json()[0] for file in files]
    capsys.readouterr()
    assert cli.main(["predict", "--model", NAME, "--json", *map(str, files)]) == 0
    on_the_line = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    in_python = [Predictor.load(NAME).predict(file.read_bytes()) for file in files]
    assert [answer["file"] for answer in over_rest] == [file.name for file in files]
    assert len({answer["probability"] for answer in over_rest}) == len(files)
    for others in (as_it_is, on_the_line, [prediction.to_json() for prediction in in_python]):
        assert list(map(figures, others)) == list(map(figures, over_rest))
    app = open_page("predict")
    app.file_uploader[0].upload(files[0].name, files[0].read_bytes()).run(timeout=60)
    app.segmented_control(key="predict_view").set_value("For experts").run(timeout=60)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Probability"] == f"{over_rest[0]['probability']:.4f}"


def raw(content: bytes, kind: str = "application/octet-stream", **headers: str) -> dict:
    return {"data": content, "headers": {"Content-Type": kind, **headers}}


def test_several_films_are_answered_in_order_and_one_that_is_none_spoils_nothing():
    with serving() as client:
        answer = client.predict(("one.jpeg", FILM), ("two.txt", b"no film"), ("three.jpeg", FILM), ("four.png", b""))
    found = answer.json()
    assert answer.status_code == 200
    assert [one["file"] for one in found] == ["one.jpeg", "two.txt", "three.jpeg", "four.png"]
    assert ["error" in one for one in found] == [False, True, False, True]
    assert answer.headers["PneumoScope-Model"] == NAME
    assert answer.headers["Server-Timing"].startswith("total;dur=")


def test_the_heat_map_is_the_film_with_colour():
    with serving() as client:
        plain, coloured = (client.predict(("a", FILM), query=query).json()[0] for query in ("", "?heatmap=true"))
    assert "heatmap" not in plain
    assert figures(coloured).items() >= figures(plain).items()
    kind, _, content = coloured["heatmap"].partition("base64,")
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
    assert kind == "data:image/png;"
    size = Predictor.load(NAME).spec.size
    assert picture.shape == (size, size, 3)
    assert np.ptp(picture, axis=2).max() > 50


def broken(*given):
    raise RuntimeError("a fault of ours")


def ask_a_broken_server(monkeypatch, what, name, method, path, **given):
    monkeypatch.setattr(what, name, broken)
    with serving() as client:
        return client.ask(method, path, **given)


def without_a_model(monkeypatch):
    model_store.remove(NAME)
    with serving() as client:
        return client.predict(("a", FILM))


def too_slow(monkeypatch):
    with serving(Limits(seconds=1)) as client:
        return client.say("POST /api/predict HTTP/1.1", "Content-Type: image/png", "Content-Length: 9")


def while_it_starts(monkeypatch):
    monkeypatch.setattr(MODELS, "status", Status(loaded.STARTING, NAME))
    return asked("GET", "/health")


def asked(method: str, path: str, limits: Limits | None = None, token: str = "", **what):
    with serving(limits, token) as client:
        return client.ask(method, path, **what)


GET, POST, PREDICT = "GET", "POST", "/predict"
FORM = {"files": [("file", ("a", FILM))]}
# One way to each answer that the description promises.
WAYS = {
    (PREDICT, 200): lambda _: asked(POST, PREDICT, **FORM),
    (PREDICT, 400): lambda _: asked(POST, PREDICT, files={"field": (None, "no file")}),
    (PREDICT, 401): lambda _: asked(POST, PREDICT, token=TOKEN, **FORM),
    (PREDICT, 404): lambda _: asked(POST, f"{PREDICT}?model=none", **FORM),
    (PREDICT, 408): too_slow,
    (PREDICT, 413): lambda _: asked(POST, PREDICT, Limits(file_bytes=100), **FORM),
    (PREDICT, 415): lambda _: asked(POST, PREDICT, **raw(b"<svg/>", "image/svg+xml")),
    (PREDICT, 422): lambda _: asked(POST, PREDICT, files=[("file", ("a", b"no film"))]),
    (PREDICT, 429): lambda _: asked(POST, PREDICT, Limits(held_bytes=100), **FORM),
    (PREDICT, 500): lambda patch: ask_a_broken_server(patch, Predictor, "predict", POST, PREDICT, **FORM),
    (PREDICT, 503): without_a_model,
    ("/models", 200): lambda _: asked(GET, "/models"),
    ("/models", 401): lambda _: asked(GET, "/models", token=TOKEN),
    ("/models", 500): lambda patch: ask_a_broken_server(patch, model_store, "listed", GET, "/models"),
    ("/health", 200): lambda _: asked(GET, "/health"),
    ("/health", 503): while_it_starts,
    ("/openapi.json", 200): lambda _: asked(GET, "/openapi.json"),
}
DOCUMENT = openapi.document(Limits(), with_token=True)


def test_the_description_names_exactly_these_answers():
    described = {
        (path, int(status))
        for path, methods in DOCUMENT["paths"].items()
        for method in methods.values()
        for status in method["responses"]
    }
    assert described == set(WAYS)


@pytest.mark.parametrize(("path", "status"), WAYS)
def test_an_answer_has_the_status_and_the_shape_that_the_description_gives(path, status, monkeypatch):
    found = WAYS[path, status](monkeypatch)
    if isinstance(found, tuple):
        assert found[0] == status
        content = json.loads(found[1])
    else:
        assert found.status_code == status, found.text
        content = found.json()
    (described,) = DOCUMENT["paths"][path].values()
    schema = described["responses"][str(status)]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(content)
    if status >= 400 and path != "/health":
        assert content["error"].endswith((".", "byte."))
        assert content["fix"].endswith(".")
    if status == 429:
        assert int(found.headers["Retry-After"]) > 0
    if status == 401:
        assert found.headers["WWW-Authenticate"] == "Bearer"


def test_the_description_is_sound():
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["info"].keys() >= {"title", "version"}
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    text = json.dumps(DOCUMENT)
    references = {piece.split('"')[0] for piece in text.split("#/components/schemas/")[1:]}
    assert references == DOCUMENT["components"]["schemas"].keys()
    operations = [method for methods in DOCUMENT["paths"].values() for method in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(response["description"] for operation in operations for response in operation["responses"].values())
    assert "401" not in json.dumps(openapi.document(Limits(), with_token=False)["paths"])
    assert {*uploads.RAW, uploads.FORM} == operations[0]["requestBody"]["content"].keys()
    assert "7 films" in openapi.document(Limits(files=7), with_token=False)["info"]["description"]


def test_the_models_are_listed_as_the_command_line_lists_them(capsys):
    put_model("second")
    assert cli.main(["models", "--json"]) == 0
    with serving() as client:
        assert client.ask(GET, "/models").json() == json.loads(capsys.readouterr().out)


def test_a_token_opens_what_it_guards_and_no_other_does():
    with serving(token=TOKEN) as client:
        for shown in (None, "Bearer", "Bearer s3cret", "Basic " + TOKEN, TOKEN):
            headers = {"Authorization": shown.encode()} if shown else {}
            assert client.ask(GET, "/models", headers=headers).status_code == 401
        headers = {"Authorization": f"Bearer {TOKEN}".encode()}
        assert client.ask(GET, "/models", headers=headers).status_code == 200
        assert client.predict(("a", FILM), headers=headers).status_code == 200
        assert client.ask(GET, "/health").status_code == 200


def test_methods_and_paths_that_are_not_served_are_answered_in_json():
    with serving() as client:
        assert client.ask("HEAD", "/health").status_code == 200
        told = client.ask("OPTIONS", PREDICT)
        assert (told.status_code, told.headers["Allow"]) == (204, "POST")
        assert "Access-Control-Allow-Origin" not in told.headers
        refused = client.ask(GET, PREDICT)
        assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
        assert refused.json()["fix"]
        assert client.ask(GET, "/nothing").json()["error"]


@pytest.mark.parametrize("query", ["?heatmap=maybe", "?threshold=0.1"])
def test_a_parameter_that_is_not_understood_is_refused(query):
    with serving() as client:
        assert client.predict(("a", FILM), query=query).status_code == 400


def test_a_request_too_large_is_refused_before_it_is_sent():
    head = ("POST /api/predict HTTP/1.1", "Content-Type: multipart/form-data; boundary=x", "Expect: 100-continue")
    with serving() as client:
        assert client.say(*head, "Content-Length: 300000000")[0] == 413
        with socket.create_connection(("127.0.0.1", client.port), timeout=30) as line:
            line.sendall("\r\n".join([*head, "Host: here", "Content-Length: 300", "", ""]).encode())
            assert b" 100 " in line.recv(100)


@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=x"])
def test_a_body_of_unknown_length_is_refused_where_it_grows_too_large(kind):
    sent = []

    def body():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for number in range(50):
            sent.append(number)
            yield bytes(100_000)

    with serving(Limits(file_bytes=1_000_000, request_bytes=2_000_000)) as client:
        answer = client.ask(POST, PREDICT, data=body(), headers={"Content-Type": kind})
        assert answer.status_code == 413
        assert sent
        assert client.predict(("a", FILM)).status_code == 200


def test_more_files_than_allowed_are_refused():
    with serving(Limits(files=2)) as client:
        assert client.predict(*[("a", FILM)] * 2).status_code == 200
        assert client.predict(*[("a", FILM)] * 3).status_code == 400


@pytest.mark.parametrize("name", ["a\ud800b", "x" * 3000, "../../etc/passwd", "Dürer.png", "\x00\x1b[31m"])
def test_any_name_comes_back_as_it_was_sent_or_is_refused(name):
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n%s\r\n--x--\r\n'
    content = body % (name.encode("utf-8", "surrogatepass"), FILM)
    with serving() as client:
        for charset in ("utf-8", "utf-7", "unicode_escape", "undefined", "zlib", "none"):
            kind = f"multipart/form-data; boundary=x; charset={charset}"
            answer = client.ask(POST, PREDICT, **raw(content, kind))
            assert answer.status_code in (200, 400)
            assert charset != "utf-8" or "\ud800" in name or answer.json()[0]["file"] == name


def test_too_many_at_once_are_told_to_wait_and_the_others_are_answered(monkeypatch):
    go, predict, waiting = threading.Event(), Predictor.predict, []

    def patient(self, data):
        waiting.append(data)
        assert go.wait(30)
        return predict(self, data)

    monkeypatch.setattr(Predictor, "predict", patient)
    with serving(Limits(requests=2)) as client, ThreadPoolExecutor(2) as people:
        first = [people.submit(client.predict, ("a", FILM)) for _ in range(2)]
        wait_for(lambda: len(waiting), lambda count: count == 2)
        assert client.predict(("a", FILM)).status_code == 429
        go.set()
        assert [answer.result().status_code for answer in first] == [200, 200]
        assert client.predict(("a", FILM)).status_code == 200


def test_ten_at_once_get_the_same_answer():
    with serving() as client, ThreadPoolExecutor(10) as people:
        answers = list(people.map(lambda _: client.predict(("a", FILM), ("b", encode(NOISE))), range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({json.dumps([figures(one) for one in answer.json()]) for answer in answers}) == 1


def test_a_model_removed_while_in_use_finishes_its_answers_and_is_then_gone(monkeypatch):
    predict = Predictor.predict

    def slow(self, data):
        if NAME in {model.name for model in model_store.promoted()}:
            model_store.remove(NAME)
        time.sleep(0.1)
        return predict(self, data)

    with serving() as client:
        assert client.predict(("a", FILM)).status_code == 200
        monkeypatch.setattr(Predictor, "predict", slow)
        assert client.predict(("a", FILM), query=f"?model={NAME}").status_code == 200
        assert client.predict(("a", FILM), query=f"?model={NAME}").status_code == 404
        assert client.predict(("a", FILM)).status_code == 503
        assert client.ask(GET, "/models").json() == []
