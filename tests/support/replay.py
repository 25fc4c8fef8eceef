"""Sends each request of `recorded.http` as it was recorded, byte for byte, with what its variable holds as the key. Prints
the client and the status that came back."""

import base64
import os
import re
import socket
import ssl


def filled(head, key):
    def encoded(pair):
        return base64.b64encode(pair[1].replace("KEY", key).encode()).decode()

    return re.sub(r"\{([^{} ]*:KEY|KEY:[^{} ]*)\}", encoded, head.replace("{KEY}", key))


trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
for block in open("recorded.http").read().split("### ")[1:]:
    title, request = block.rstrip("\n").split("\n", 1)
    client, variable = title.rsplit(": ", 1)
    head, _, body = request.partition("\n\n")
    head = filled(head, os.environ[variable.split("=")[0]]).replace("\n", "\r\n")
    host = re.search(r"(?im)^host: ([^\r]*)", head)[1]
    with trust.wrap_socket(socket.create_connection((host, 443)), server_hostname=host) as stream:
        stream.sendall((head + "\r\n\r\n" + body).encode())
        print(client, stream.recv(65536).split(b" ")[1].decode())
