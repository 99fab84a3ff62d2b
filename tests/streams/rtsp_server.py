"""A real RTSP server for the tests: GStreamer's, serving H.264 pictures in a loop. Runs in the system's Python.

Usage: rtsp_server.py FOLDER PORT FPS [USER PASSWORD]. The folder holds one access unit a file, 0000.h264 and so on.
Prints ``ready PORT`` when it listens, on loopback; port 0 lets the system choose one.
"""

# mypy: ignore-errors

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


class LoopingClip(GstRtspServer.RTSPMediaFactory):
    """Pushes the folder's pictures again and again, each with the time at which it is due."""

    def __init__(self, folder, fps):
        super().__init__()
        self._pictures = [path.read_bytes() for path in sorted(Path(folder).glob("*.h264"))]
        self._duration = Gst.SECOND // fps
        caps = f"video/x-h264,stream-format=byte-stream,alignment=au,framerate={fps}/1"
        self.set_launch(f"( appsrc name=source format=time is-live=true caps={caps} ! rtph264pay name=pay0 pt=96 )")
        self.set_shared(True)
        self.connect("media-configure", self._configure)

    def _configure(self, _factory, media):
        source = media.get_element().get_child_by_name("source")
        self._pushed = 0
        source.connect("need-data", self._push)

    def _push(self, source, _length):
        buffer = Gst.Buffer.new_wrapped(self._pictures[self._pushed % len(self._pictures)])
        buffer.pts = buffer.dts = self._pushed * self._duration
        buffer.duration = self._duration
        self._pushed += 1
        source.emit("push-buffer", buffer)


def guard(server, factory, user, password):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
    permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
    factory.set_permissions(permissions)


def main():
    folder, port, fps, *login = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = LoopingClip(folder, int(fps))
    if login:
        guard(server, factory, *login)
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    sys.stdout.write(f"ready {server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
