"""The application: items from PostgreSQL, remembered in Redis."""

import os
import socket
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer


def remembered(*words: str) -> str:
    """Ask Redis in its inline form; the answer without its header."""
    host, port = os.environ["CACHE"].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(" ".join(words).encode() + b"\r\n")
        return connection.recv(4096).decode().partition("\r\n")[2].strip()


def stored() -> str:
    query = "SELECT string_agg(name, ',' ORDER BY name) FROM item"
    return subprocess.run(["psql", "-XAtc", query], capture_output=True, text=True, check=True).stdout.strip()


class App(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        items = self.path == "/items" and remembered("GET", "items")
        self.send_response(200)
        self.send_header("X-Cache", "hit" if items else "miss")
        self.end_headers()
        if self.path == "/items" and not items:
            items = stored()
            remembered("SET", "items", items)
        self.wfile.write((items or "").encode())


if __name__ == "__main__":
    HTTPServer(("", 8000), App).serve_forever()
