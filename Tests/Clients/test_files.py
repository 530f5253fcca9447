"""Tests downloads with curl, and artifacts and logs in a real Chromium."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

from browser import IS_INSTALLED, Browser, Site
from longtake import Daemon

# A video of about 15 MB: more than Chromium loads before it plays, so that a seek needs another range.
PIPELINES = """
default: clip
pipelines:
  clip:
    description: A clip of 20 seconds.
    input:
      seed: {type: integer, minimum: 1, maximum: 99, default: 1}
    stages:
      - name: clip
        queue: cpu
        seconds: 10
        command:
          - ffmpeg
          - -y
          - -nostdin
          - -hide_banner
          - -f
          - lavfi
          - -i
          - testsrc2=size=640x360:rate=25:duration=20,noise=alls=40:allf=t
          - -c:v
          - libx264
          - -preset
          - ultrafast
          - -b:v
          - 6M
          - -pix_fmt
          - yuv420p
          - -g
          - "25"
          - -movflags
          - +faststart
          - clip.mp4
        artifacts: [{path: clip.mp4, name: clip.mp4, type: video/mp4}]
"""

# Cross-Origin-Resource-Policy keeps other sites away from the bytes, so a page of another origin asks with CORS.
PLAY = """
    const [url] = given;
    const video = document.createElement("video");
    if (!video.canPlayType('video/mp4; codecs="avc1.42E01E"')) return {codec: false};
    const when = type => new Promise((resolve, reject) => {
        video.addEventListener(type, resolve, {once: true});
        video.addEventListener("error", () => reject(video.error.message), {once: true});
    });
    video.crossOrigin = "anonymous";
    video.muted = true;
    video.preload = "metadata";
    const loaded = when("loadedmetadata");
    video.src = url;
    document.body.append(video);
    await loaded;
    const sought = when("seeked");
    video.currentTime = 18;
    await sought;
    const at = video.currentTime;
    await video.play();
    while (video.currentTime <= at) await when("timeupdate");
    return {codec: true, duration: video.duration, width: video.videoWidth, at, played: video.currentTime - at};
"""

LOG = """
    const source = new EventSource(given[0]);
    const events = [];
    for (const type of ["log", "stream.reset"])
        source.addEventListener(type, event => events.push([type, event.lastEventId, event.data]));
    await new Promise(resolve => source.onerror = () => source.readyState === EventSource.CLOSED && resolve());
    return events;
"""


class DownloadTests(unittest.TestCase):
    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl_resumes(self):
        """`curl -C -` resumes a download"""
        content = os.urandom(3_000_000)
        with Daemon(STORAGE_MIN_FREE_GIGABYTES=0) as daemon, tempfile.TemporaryDirectory() as folder:
            request = urllib.request.Request(daemon.url + "/v1/files", content)
            with urllib.request.urlopen(request) as response:
                file = json.load(response)
            path = pathlib.Path(folder, "file")
            path.write_bytes(content[:1_000_001])
            command = ["curl", "-sS", "-f", "-C", "-", "-o", path, "-w", "%{http_code} %{size_download}"]
            done = subprocess.run(
                command + [f"{daemon.url}/v1/files/{file['id']}/content"], check=True, capture_output=True, text=True, timeout=60
            )
            self.assertEqual(done.stdout, "206 1999999")
            self.assertEqual(path.read_bytes(), content)


@unittest.skipUnless(IS_INSTALLED, "chromium and chromium-driver are not installed")
@unittest.skipUnless(shutil.which("ffmpeg"), "ffmpeg is not installed")
class ArtifactTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.browser = Browser()
        cls.folder = tempfile.TemporaryDirectory()
        pipelines = pathlib.Path(cls.folder.name, "pipelines.yaml")
        pipelines.write_text(PIPELINES)
        cls.daemon = Daemon(
            PIPELINES=pipelines,
            COMMANDS_SANDBOX="optional",
            HTTP_CORS_ORIGINS=cls.site.origin,
            LOG_ACCESS="all",
            STORAGE_MIN_FREE_GIGABYTES=0,
        )
        cls.job = cls.daemon.request("/v1/jobs", {"input": {}})["id"]
        cls.last = cls.daemon.events(cls.job)[-1]

    @classmethod
    def tearDownClass(cls):
        cls.daemon.kill()
        cls.daemon.directory.cleanup()
        cls.folder.cleanup()
        cls.browser.close()
        cls.site.close()

    def setUp(self):
        self.assertEqual(self.last["type"], "job.succeeded", self.last)
        self.browser.open(self.site.origin)

    def test_video_seeks(self):
        """Chromium plays an artifact in a page of another origin, and seeks in it"""
        video = self.browser.run(PLAY, f"{self.daemon.url}/v1/jobs/{self.job}/artifacts/clip.mp4")
        if not video["codec"]:
            self.skipTest("this Chromium cannot play H.264")
        self.assertAlmostEqual(video["duration"], 20, delta=0.2)
        self.assertEqual((video["width"], video["at"]), (640, 18))
        self.assertGreater(video["played"], 0)
        lines = [json.loads(line) for line in self.daemon.log.read_text().splitlines() if '"access"' in line]
        ranges = [line for line in lines if line["route"].endswith("/artifacts/{name}") and line["status"] == 206]
        self.assertGreaterEqual(len(ranges), 2, "the seek is a request of its own")

    def test_log(self):
        """an `EventSource` gets the log of a stage, and stops when it has all of it"""
        path = f"/v1/jobs/{self.job}/log?stage=clip"
        with urllib.request.urlopen(self.daemon.url + path) as response:
            text = response.read()
        events = self.browser.run(LOG, self.daemon.url + path)
        self.assertEqual({type for type, _, _ in events}, {"log"})
        self.assertEqual("".join(data + "\n" for _, _, data in events), text.decode())
        self.assertEqual(events[-1][1], str(len(text)))
