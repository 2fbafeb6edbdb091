"""The script of another page on this machine, which tries what it can get of ours."""

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
