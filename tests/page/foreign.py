"""Another page on this machine, whose script tries what it can get of ours."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def foreign_page(text: str):
    """Another server on this machine, with one page; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{other.server_address[1]}"
        other.shutdown()


ATTACK = """
async address => {
    const form = () => { const f = new FormData();
        f.append("files", new File([new Uint8Array(2000000)], "a.png")); return f; };
    const tried = async (path, options) => {
        try { const r = await fetch(address + path, options); return r.type + r.status; }
        catch (error) { return "refused"; }
    };
    const loaded = (name, set) => new Promise(done => { const e = document.createElement(name);
        e.onload = () => done("loaded"); e.onerror = () => done("refused"); set(e);
        document.body.append(e); setTimeout(() => done("refused"), 3000); });
    const api = "/gradio_api/";
    return {
        read: await tried("/config"),
        credentials: await tried("/config", {credentials: "include"}),
        upload: await tried(api + "upload", {method: "POST", body: form()}),
        blind: await tried(api + "upload", {method: "POST", body: form(), mode: "no-cors"}),
        question: await tried(api + "call/answer", {method: "POST", body: '{"data":[null]}',
            headers: {"Content-Type": "application/json"}}),
        script: await loaded("script", e => e.src = address + "/static/js/iframeResizer.contentWindow.min.js"),
        picture: await loaded("img", e => e.src = address + "/favicon.ico"),
        stream: await new Promise(done => { const s = new EventSource(address + api + "heartbeat/x");
            s.onmessage = () => done("loaded"); s.onerror = () => done("refused"); }),
        socket: await new Promise(done => { const s = new WebSocket(address.replace("http", "ws") + "/");
            s.onopen = () => done("loaded"); s.onerror = () => done("refused"); }),
    };
}
"""  # noqa: E501 - JavaScript
