"""`config get KEY` over a unix socket, with the password in a file: exactly the bytes of the value.

usage: ask_redis.py SOCKET KEY PASSWORD-FILE
"""
import socket
import sys

place, key, password = sys.argv[1:]
link = socket.socket(socket.AF_UNIX)
link.connect(place)
stream = link.makefile("rwb")


def ask(*words):
    stream.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    stream.flush()
    return answer()


def answer():
    line = stream.readline().rstrip(b"\r\n")
    if line[:1] == b"*":
        return [answer() for _ in range(int(line[1:]))]
    if line[:1] == b"$":
        return stream.read(int(line[1:]) + 2)[:-2]
    return line


word = open(password, "rb").read().rstrip(b"\n")
if word:
    ask(b"auth", word)
found = ask(b"config", b"get", key.encode())
print(found[1].decode() if isinstance(found, list) else found.decode())
