"""listener.py PORT SECONDS: how many connections come to a port of this machine."""
import socket
import sys
import time

server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
end = time.time() + float(sys.argv[2])
count = 0
while (left := end - time.time()) > 0:
    server.settimeout(left)
    try:
        server.accept()[0].close()
        count += 1
    except TimeoutError:
        break
print(count)
