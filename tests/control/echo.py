"""A small real child that speaks the channel: answers, falls silent, speaks garbage or dies as it is told by room
names.
"""

from __future__ import annotations

import os
import socket
import sys
import time

from courtroom.channel.framing import Decoder, encode
from courtroom.channel.messages import VERSION, OpenRoom, Reply, SpeakingChanged, ToWorker, WelcomeWorker, WorkerReady


def main(fd: int) -> None:
    link = socket.socket(fileno=fd)
    decoder: Decoder[ToWorker] = Decoder(ToWorker)
    while data := link.recv(65536):
        for message in decoder.feed(data):
            match message:
                case WelcomeWorker():
                    link.sendall(encode(WorkerReady(VERSION, os.getpid(), ["udp:127.0.0.1:1"])))
                case OpenRoom(request, "die"):
                    os._exit(3)
                case OpenRoom(request, "garbage"):
                    link.sendall(b"\x00\x00\x00\x02{]")
                case OpenRoom(request, "silence"):
                    pass
                case OpenRoom(request, "slow"):
                    for _ in range(8):
                        time.sleep(0.1)
                        link.sendall(encode(SpeakingChanged("slow", [])))
                    link.sendall(encode(Reply(request)))
                case OpenRoom(request, "refuse"):
                    link.sendall(encode(Reply(request, "too_many_rooms")))
                case OpenRoom(request):
                    link.sendall(encode(Reply(request)))
                case _:
                    pass


if __name__ == "__main__":
    main(int(sys.argv[sys.argv.index("--fd") + 1]))
