"""Sessions of Python's own clients with the example servers: client_sessions.py pop3|ftp|smtp HOST PORT DIRECTORY

Owns what the clients do and what they must be told; an assertion that fails ends it with status 1. DIRECTORY is the
server's: its maildir, or its root. Needs any Python 3.
"""

import ftplib
import io
import os
import poplib
import smtplib
import sys
from email.message import EmailMessage

TIMEOUT_S = 10


def refused(error, call, *parameters):
    try:
        call(*parameters)
    except error as refusal:
        return str(refusal)
    raise AssertionError(f"not refused: {parameters}")


def log_in(host, port):
    client = poplib.POP3(host, port, timeout=TIMEOUT_S)
    client.user("user")
    client.pass_("password")
    return client


def pop3(host, port, directory):
    body = [b".", b"..", b"text"] * 3000
    with open(os.path.join(directory, "new", "1.message"), "wb") as file:
        file.write(b"Subject: many lines\n\n" + b"\n".join(body) + b"\n")
    size = len(b"Subject: many lines\r\n\r\n") + sum(len(line) + 2 for line in body)
    client = log_in(host, port)
    assert {"TOP", "UIDL", "PIPELINING"} <= client.capa().keys()
    assert client.stat() == (1, size), client.stat()
    assert client.retr(1)[1] == [b"Subject: many lines", b"", *body]
    assert client.top(1, 2)[1] == [b"Subject: many lines", b"", b".", b".."]
    uid = client.uidl(1)
    second = poplib.POP3(host, port, timeout=TIMEOUT_S)
    second.user("user")
    assert "IN-USE" in refused(poplib.error_proto, second.pass_, "password")
    second.quit()
    client.dele(1)
    assert client.stat() == (0, 0)
    refused(poplib.error_proto, client.retr, 1)
    client.rset()
    assert client.uidl(1) == uid
    client.dele(1)
    # Ended without QUIT, nothing is removed.
    client.close()
    while True:
        try:
            client = log_in(host, port)
            break
        except poplib.error_proto:
            # The server has not heard of the end of the other session yet.
            continue
    assert client.stat() == (1, size)
    client.dele(1)
    client.quit()
    assert os.listdir(os.path.join(directory, "new")) == []


def ftp(host, port, directory):
    data = bytes(range(256)) * 20000
    client = ftplib.FTP(timeout=TIMEOUT_S)
    client.connect(host, port)
    assert "530" in refused(ftplib.error_perm, client.pwd)
    client.login()
    assert client.pwd() == "/"
    assert client.mkd('a"b') == '/a"b'
    client.cwd('a"b')
    for passive in (True, False):
        client.set_pasv(passive)
        client.storbinary("STOR file", io.BytesIO(data))
        received = bytearray()
        client.retrbinary("RETR file", received.extend)
        assert received == data
        assert client.size("file") == len(data)
        tail = bytearray()
        client.retrbinary("RETR file", tail.extend, rest=len(data) - 10)
        assert tail == data[-10:]
        client.storbinary("STOR file", io.BytesIO(b"0123456789"), rest=5)
        received.clear()
        client.retrbinary("RETR file", received.extend)
        assert received == data[:5] + b"0123456789" + data[15:]
        client.storbinary("APPE file", io.BytesIO(b"end"))
        assert client.size("file") == len(data) + 3
        # Text: the server's files have their own line ends.
        client.storlines("STOR text", io.BytesIO(b"one\ntwo\n"))
        with open(os.path.join(directory, 'a"b', "text"), "rb") as file:
            assert file.read() == b"one\ntwo\n"
        lines = []
        client.retrlines("RETR text", lines.append)
        assert lines == ["one", "two"]
        assert sorted(client.nlst()) == ["file", "text"]
        listed = []
        client.dir(listed.append)
        assert sorted(line.rsplit(" ", 1)[1] for line in listed) == ["file", "text"]
    # A transfer is given up in the middle, and another follows.
    client.set_pasv(True)
    client.voidcmd("TYPE I")
    with open(os.path.join(directory, "long"), "wb") as file:
        file.truncate(64 * 2**20)
    with client.transfercmd("RETR /long") as connection:
        assert connection.recv(10) == bytes(10)
        assert client.abort().startswith("426")
    assert client.getmultiline().startswith("226")
    client.delete("/long")
    client.rename("text", "renamed")
    refused(ftplib.error_perm, client.delete, "text")
    client.delete("renamed")
    client.delete("file")
    client.cwd("..")
    client.rmd('a"b')
    client.quit()
    assert os.listdir(directory) == []


def smtp(host, port, directory):
    message = EmailMessage()
    message["From"] = "Páolo <paolo@example.org>"
    message["To"] = "a@example.org, b@example.org"
    message["Subject"] = "dots"
    message.set_content(".\n..\n.text\n" * 20000, cte="7bit")
    with smtplib.SMTP(host, port, local_hostname="client.example.org", timeout=TIMEOUT_S) as client:
        assert client.noop()[0] == 250
        assert client.docmd("MAIL", "FROM:<early@example.org>")[0] == 503
        assert client.send_message(message) == {}
        assert client.verify("a@example.org")[0] == 252
        assert client.docmd("MAIL", "FROM:<x@example.org> SIZE=99999999999")[0] == 552
        assert client.docmd("MAIL", "FROM:<x@example.org> FOO=1")[0] == 555
        assert client.docmd("RCPT", "TO:<x@example.org>")[0] == 503
        # The null sender of a bounce; and a second message in the same session.
        client.sendmail("", ["c@example.org"], b"Subject: second\r\n\r\nb\xc3\xb6dy\r\n")
        assert client.rset()[0] == 250
    names = sorted(os.listdir(os.path.join(directory, "new")), key=lambda name: int(name.rsplit("Q", 1)[1].split(".")[0]))
    texts = []
    for name in names:
        with open(os.path.join(directory, "new", name), "rb") as file:
            texts.append(file.read())
    assert len(texts) == 2
    assert texts[0].startswith(b"Return-Path: <paolo@example.org>\nDelivered-To: a@example.org\n"
                               b"Delivered-To: b@example.org\nReceived: from client.example.org (["), texts[0][:200]
    assert texts[0].endswith(b"\n\n" + b".\n..\n.text\n" * 20000)
    assert texts[1].endswith(b"Subject: second\n\nb\xc3\xb6dy\n")
    assert os.listdir(os.path.join(directory, "tmp")) == []


if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[1] not in ("pop3", "ftp", "smtp"):
        sys.exit(__doc__)
    {"pop3": pop3, "ftp": ftp, "smtp": smtp}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), sys.argv[4])
    print("passed")
