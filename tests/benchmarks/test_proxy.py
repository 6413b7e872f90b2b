"""The proxy of the benchmarks passes everything on and counts it."""

from __future__ import annotations

import socket
import threading

from benchmarks.proxy import Traffic, proxy_to

REQUEST = b"GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\n\r\n"


def test_what_goes_through_the_proxy_is_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=_echo_twice, args=(listener,))
        server.start()
        with proxy_to(listener.getsockname()[1]) as proxy:
            assert proxy.traffic_of(lambda: _exchange(proxy.port)) == Traffic(1, REQUEST, len(REQUEST))
            again = proxy.traffic_of(lambda: _exchange(proxy.port))
        server.join()
    assert (again.connections, again.requests, again.received_bytes) == (1, 2, len(REQUEST))


def _echo_twice(listener: socket.socket) -> None:
    for _ in range(2):
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


def _exchange(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(REQUEST)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
