#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server on loopback that hears "hello" in anything, for the contract of text engines: prints the
address of each engine, one a line, and ends when its standard input does."""
import http.server
import json
import socketserver
import sys
import threading


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        body = b'{"text": "hello"}'
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Wyoming(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            header = json.loads(line)
            self.rfile.read(header.get('data_length', 0) + header.get('payload_length', 0))
            if header['type'] == 'audio-stop':
                self.wfile.write(b'{"type":"transcript","data":{"text":"hello"}}\n')
                return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Http)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    other = Server(('127.0.0.1', 0), Wyoming)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    print('http://127.0.0.1:%d\n127.0.0.1:%d' % (server.server_address[1], other.server_address[1]),
          flush=True)
    sys.stdin.read()


if __name__ == '__main__':
    main()
