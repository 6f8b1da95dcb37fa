"""An S3 that holds objects under any key, which the stand-in's files cannot: it lists them and gives them."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit


@contextmanager
def serving(
    objects: Mapping[str, bytes],
    *,
    damaged: int = 0,
    headers: Callable[[bytes], dict[str, str]] | None = None,
) -> Iterator[str]:
    """Serve objects by key, of whatever bucket; gives the URL for ``AWS_ENDPOINT_URL_S3``.

    The first `damaged` answers to GET have one byte of another value; `headers` are sent with an object.
    """
    left = [True] * damaged

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            key = unquote(place.path).lstrip("/").partition("/")[2]
            query = parse_qs(place.query)
            body = _list(objects, query["prefix"][0]) if "list-type" in query else objects[key]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
            for name, value in (headers(body) if headers and "list-type" not in query else {}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                hurt = b"?" if left and "list-type" not in query and left.pop() else body[:1]
                self.wfile.write(hurt + body[1:])

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _list(objects: Mapping[str, bytes], prefix: str) -> bytes:
    items = "".join(
        f"<Contents><Key>{quote(key, safe='')}</Key><Size>{len(body)}</Size><ETag>x</ETag></Contents>"
        for key, body in sorted(objects.items())
        if key.startswith(prefix)
    )
    kind = "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
    return f"<ListBucketResult>{kind}{items}</ListBucketResult>".encode()
