"""Paraphrases against a chat endpoint of the test's own: what is kept, what is dropped, and what is told."""

import json
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kizu.core.errors import KizuError
from kizu.synth.compose.refer.chat import KEY, Chat
from kizu.synth.compose.refer.expression import Expression
from kizu.synth.compose.refer.paraphrase import Paraphraser
from kizu.synth.compose.refer.reading import parse

NAMES = ("bolt", "hex_nut")
TEXTS = ("the red bolt", "the bolts on the left side", "the hex nut nearest to the red bolt")
GOOD = {
    "the red bolt": "that crimson screw",
    "the bolts on the left side": "the bolts on the left",  # of the grammar itself
    "the hex nut nearest to the red bolt": "whichever nut sits by the red one",
}
MEANT = {GOOD[text]: text for text in TEXTS}


def expressions(texts=TEXTS):
    return [Expression(text, (k,), "attribute", "single", parse(text, NAMES)) for k, text in enumerate(texts)]


class Endpoint:
    """A server that answers with ``reply(lines, order)``: texts become a completion, numbers a status."""

    def __init__(self, reply):
        self.asked, self.requests, self.headers, self.release = [], [], [], threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(body)
                outer.headers.append(self.headers)
                order, lines = body["messages"][0]["content"], json.loads(body["messages"][1]["content"])
                outer.asked.append(lines)
                answer = reply(lines, order, outer)
                status, data = (answer, b"") if isinstance(answer, int) else (200, answer)
                if not isinstance(data, bytes):
                    data = json.dumps({"choices": [{"message": {"content": data}}]}).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass  # whoever asked has gone

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    endpoints = []

    def start(reply):
        endpoints.append(Endpoint(reply))
        return endpoints[-1]

    yield start
    for endpoint in endpoints:
        endpoint.close()


def writer(endpoint, tmp_path, **settings):
    url = endpoint if isinstance(endpoint, str) else endpoint.url
    return Paraphraser(
        Chat(url, "m", **({"pause": 0, "retries": 1, "timeout": 20} | settings)), tmp_path / "c" / "cache.jsonl"
    )


def restating(order):
    return "small fixed language" in order


def honest(lines, order, endpoint):
    return "Sure!\n```json\n" + json.dumps([(MEANT if restating(order) else GOOD)[line] for line in lines]) + "\n```"


def test_what_says_the_same_is_kept_and_asked_for_once(serve, tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "secret")
    endpoint = serve(honest)
    rewriter = writer(endpoint, tmp_path, temperature=0.3)
    out = rewriter.paraphrase(expressions(), NAMES)
    assert [item.text for item in out] == list(GOOD.values())
    assert [(item.targets, item.form) for item in out] == [(item.targets, item.form) for item in expressions()]
    assert rewriter.counts == Counter(kept=3, cached=0)
    # The second question holds what the grammar could not read, and not the sentences it came from.
    assert endpoint.asked == [list(TEXTS), [GOOD[TEXTS[0]], GOOD[TEXTS[2]]]]
    assert endpoint.requests[0]["model"] == "m" and endpoint.requests[0]["temperature"] == 0.3
    assert "hex nut / hex nuts" in endpoint.requests[1]["messages"][0]["content"]
    assert endpoint.headers[0]["Authorization"] == "Bearer secret"
    later = writer(endpoint, tmp_path)
    assert later.paraphrase(expressions(), NAMES) == out
    assert later.counts == Counter(kept=3, cached=3)
    assert len(endpoint.asked) == 2


def test_without_a_key_none_is_sent(serve, tmp_path, monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    endpoint = serve(honest)
    writer(endpoint, tmp_path).paraphrase(expressions(), NAMES)
    assert endpoint.headers[0]["Authorization"] is None


def test_what_says_something_else_is_dropped_and_counted(serve, tmp_path):
    said = {TEXTS[0]: "the blue bolt", TEXTS[1]: TEXTS[1], TEXTS[2]: "the nut over there"}

    def reply(lines, order, endpoint):
        return json.dumps(["the hex nut on the left" if restating(order) else said[line] for line in lines])

    endpoint = serve(reply)
    rewriter = writer(endpoint, tmp_path)
    assert rewriter.paraphrase(expressions(), NAMES) == []
    assert rewriter.counts == Counter(mismatched=2, same=1, cached=0)
    again = writer(endpoint, tmp_path)
    assert again.paraphrase(expressions(), NAMES) == []
    assert again.counts == Counter(mismatched=2, same=1, cached=3)


def test_two_sentences_do_not_become_one(serve, tmp_path):
    texts = ("the red bolt", "red bolt")
    endpoint = serve(
        lambda lines, order, e: json.dumps(["the bolt in red" if not restating(order) else texts[0]] * len(lines))
    )
    rewriter = writer(endpoint, tmp_path)
    assert len(rewriter.paraphrase(expressions(texts), NAMES)) == 1
    assert rewriter.counts == Counter(kept=1, same=1, cached=0)


@pytest.mark.parametrize(
    "answer",
    ["no list", "[1, 2, 3]", '["one"]', "[", b"{", b"[]", b'{"choices": []}',
     b'{"choices": [{"message": {"content": null}}]}'],
)  # fmt: skip
def test_nonsense_is_asked_again_and_then_counted(serve, tmp_path, answer):
    endpoint = serve(lambda lines, order, e: answer)
    rewriter = writer(endpoint, tmp_path, retries=2)
    assert rewriter.paraphrase(expressions(), NAMES) == []
    assert rewriter.counts == Counter(unreadable=3, cached=0)
    assert len(endpoint.asked) == 3


def test_a_second_try_may_do(serve, tmp_path):
    def reply(lines, order, endpoint):
        return 503 if len(endpoint.asked) == 1 else "?" if len(endpoint.asked) == 2 else honest(lines, order, endpoint)

    rewriter = writer(serve(reply), tmp_path, retries=2)
    assert len(rewriter.paraphrase(expressions(), NAMES)) == 3


@pytest.mark.parametrize("status, times", [(404, 1), (401, 1), (500, 2), (429, 2)])
def test_a_refusal_is_told(serve, tmp_path, status, times):
    endpoint = serve(lambda lines, order, e: status)
    with pytest.raises(KizuError, match=rf"answered {status} .*check the model 'm'"):
        writer(endpoint, tmp_path).paraphrase(expressions(), NAMES)
    assert len(endpoint.asked) == times


def test_silence_is_told(serve, tmp_path):
    endpoint = serve(lambda lines, order, e: e.release.wait(20) and 500)
    with pytest.raises(KizuError, match=r"did not answer .*; raise the timeout|did not answer in time"):
        writer(endpoint, tmp_path, timeout=0.1, retries=0).paraphrase(expressions(), NAMES)


def test_nobody_there_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: it refuses
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(KizuError, match="cannot be reached"):
            writer(url, tmp_path).paraphrase(expressions(), NAMES)


@pytest.mark.parametrize("url", ["file:///etc", "localhost:80", ""])
def test_an_address_that_is_none(tmp_path, url):
    with pytest.raises(KizuError, match="http"):
        writer(url, tmp_path).paraphrase(expressions(), NAMES)


def test_a_torn_cache_is_read_as_far_as_it_goes(serve, tmp_path):
    endpoint = serve(honest)
    writer(endpoint, tmp_path).paraphrase(expressions(), NAMES)
    cache = tmp_path / "c" / "cache.jsonl"
    cache.write_text(cache.read_text()[:-20] + "\n[]\n3\n")
    rewriter = writer(endpoint, tmp_path)
    assert len(rewriter.paraphrase(expressions(), NAMES)) == 3
    assert rewriter.counts == Counter(kept=3, cached=2)
    cache.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(KizuError, match="cache of paraphrases"):
        writer(endpoint, tmp_path)


def test_nothing_to_say_asks_nobody(serve, tmp_path):
    endpoint = serve(honest)
    assert writer(endpoint, tmp_path).paraphrase([], NAMES) == []
    assert endpoint.asked == []
