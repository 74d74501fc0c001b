"""Clients of the example servers, of Python's own: clients.py NAME PORT. Each fails where an answer is not the expected one."""

import ftplib
import io
import poplib
import smtplib
import socket
import sys
import threading

LIMIT_S = 30
DATA = bytes(range(256)) * 4000


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r:.200} is not {expected!r:.200}")


def refused(call, status):
    try:
        call()
    except Exception as error:
        equal(status in str(error), True)
        return
    raise AssertionError(f"{status} was expected")


def connected(port):
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)


def to_end(connection):
    chunks = []
    while chunk := connection.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def echoed(port):
    """A megabyte comes back whole to a client that has ended its half."""
    with connected(port) as connection:
        sender = threading.Thread(target=lambda: (connection.sendall(DATA), connection.shutdown(socket.SHUT_WR)))
        sender.start()
        equal(to_end(connection), DATA)
        sender.join()


def pop3(port):
    client = poplib.POP3("127.0.0.1", port, timeout=LIMIT_S)
    equal("PIPELINING" in client.capa(), True)
    client.user("user")
    refused(lambda: client.pass_("wrong"), "wrong user or password")
    client.user("user")
    client.pass_("password")
    equal(client.stat()[0], 2)
    _, lines, _ = client.retr(1)
    equal(lines[0].startswith(b"From: "), True)
    equal(len(client.uidl()[1]), 2)
    client.dele(1)
    equal(client.quit(), b"+OK bye")


def smtp(port):
    with smtplib.SMTP("127.0.0.1", port, timeout=LIMIT_S) as client:
        client.ehlo()
        equal(client.has_extn("size"), True)
        text = "Subject: long\r\n\r\n" + ".begins with a dot\r\n" * 20_000
        equal(client.sendmail("a@example.org", ["b@example.org", "c@example.org"], text), {})
        refused(lambda: client.sendmail("a@example.org", "", text), "501")


def ftp(port):
    client = ftplib.FTP()
    client.connect("127.0.0.1", port, LIMIT_S)
    client.login()
    for passive in (True, False):
        client.set_pasv(passive)
        client.mkd("sub")
        client.cwd("sub")
        client.storbinary("STOR data", io.BytesIO(DATA))
        client.voidcmd("TYPE I")
        equal(client.size("data"), len(DATA))
        received = io.BytesIO()
        client.retrbinary("RETR data", received.write)
        equal(received.getvalue(), DATA)
        client.storlines("STOR text", io.BytesIO(b"one\r\ntwo\r\n"))
        lines = []
        client.retrlines("RETR text", lines.append)
        equal(lines, ["one", "two"])
        equal(sorted(client.nlst()), ["data", "text"])
        refused(lambda: client.size("nothing"), "550")
        client.rename("text", "/text")
        client.delete("/text")
        client.delete("data")
        client.cwd("/")
        client.rmd("sub")
    client.quit()


def broadcast(port):
    clients = [connected(port) for _ in range(30)]
    # Who has been heard is known to the server.
    for client in clients[1:]:
        client.sendall(b"?")
        equal(clients[0].recv(1), b"?")
    clients[3].close()
    clients[0].sendall(b"to all others")
    for client in clients[1:3] + clients[4:]:
        received = b""
        while not received.endswith(b"to all others"):
            equal((chunk := client.recv(100)) != b"", True)
            received += chunk
        equal(received.lstrip(b"?"), b"to all others")


def udp_echo(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(LIMIT_S)
        for datagram in (b"one", b"", DATA[:60_000]):
            client.sendto(datagram, ("127.0.0.1", port))
            equal(client.recvfrom(65535), (datagram, ("127.0.0.1", port)))


CLIENTS = {
    "pop3": pop3,
    "smtp": smtp,
    "ftp": ftp,
    "broadcast": broadcast,
    "udp-echo": udp_echo,
    "proxy": echoed,
}
CLIENTS[sys.argv[1]](int(sys.argv[2]))
