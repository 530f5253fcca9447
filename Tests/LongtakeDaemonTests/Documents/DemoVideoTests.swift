import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// The demo pipelines on a real daemon, with the ffmpeg of this machine.
@Suite(
    .serialized,
    .enabled(
        if: DemoPrograms.areInstalled,
        "ffmpeg and a font are not installed (on Debian: apt-get install ffmpeg fonts-dejavu-core)"))
struct DemoVideoTests {
    @Test("make a video from a text, and another one from its poster", .tags(.slow))
    func videos() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            let text = try daemon.submit(
                #"{"pipeline": "demo-video", "input": {"prompt": "a: \"test\"\n%{pts}", "duration_seconds": 6}}"#)
            try Self.checkLog(of: text, daemon)
            try Self.checkArtifacts(of: text, daemon, seconds: 6)
            let image = try daemon.submit(
                """
                {"pipeline": "demo-image-to-video",
                 "input": {"image": {"job": "\(text)", "artifact": "poster.jpg"}, "duration_seconds": 2}}
                """)
            try Self.checkLog(of: image, daemon)
            try Self.checkArtifacts(of: image, daemon, seconds: 2)
            #expect(daemon.stop() == 0)
        }
    }

    private static func checkLog(of job: String, _ daemon: DaemonProcess) throws {
        let log = JobLog(try daemon.follow(job).rest(within: 300))
        try log.checkWhole()
        #expect(log.types.last == "job.succeeded", "\(log.lines.last ?? "")")
        let events = try log.lines.map { try JSON.object($0) }
        let reports = events.filter { $0["type"] as? String == "stage.progress" }
        #expect(Set(reports.compactMap { $0["progress"] as? Double }).count >= 5, "the progress grows in steps")
        // Clients can fetch the contact sheet before the video is encoded.
        let preview = try #require(events.firstIndex { $0["role"] as? String == "preview" })
        let encoding = try #require(
            events.firstIndex { $0["type"] as? String == "stage.started" && $0["stage"] as? String == "encode" })
        #expect(events[preview]["type"] as? String == "artifact.created" && preview < encoding)
    }

    private static func checkArtifacts(of job: String, _ daemon: DaemonProcess, seconds: Double) throws {
        let folder = "http://127.0.0.1:\(daemon.port)/v1/jobs/\(job)/artifacts"
        let video = try Probe(folder + "/video.mp4")
        #expect(video.streams.map(\.codecName).sorted() == ["aac", "h264"])
        let picture = try #require(video.streams.first { $0.codecType == "video" })
        #expect(picture.width == 1280 && picture.height == 720 && picture.avgFrameRate == "24/1")
        let length = try #require(video.format?.duration.flatMap(Double.init))
        #expect(abs(length - seconds) < 0.1, "\(length)")
        let poster = try Probe(folder + "/poster.jpg").streams
        #expect(poster.map(\.codecName) == ["mjpeg"] && poster[0].width == 1280 && poster[0].height == 720)
        // Nine pictures of 320 × 180, in three rows.
        let sheet = try Probe(folder + "/contact-sheet.jpg").streams
        #expect(sheet.map(\.codecName) == ["mjpeg"] && sheet[0].width == 992 && sheet[0].height == 572)
    }
}

/// What the demo pipelines and their test need from the machine.
private enum DemoPrograms {
    static let areInstalled = ["/usr/bin/ffmpeg", "/usr/bin/ffprobe", "/usr/share/fonts/truetype/dejavu"].allSatisfy {
        FileManager.default.fileExists(atPath: $0)
    }
}

/// What ffprobe finds at an address.
private struct Probe: Decodable {
    let streams: [Stream]
    let format: Format?

    struct Stream: Decodable {
        let codecName: String
        let codecType: String
        let width: Int?
        let height: Int?
        let avgFrameRate: String?
    }

    struct Format: Decodable {
        let duration: String?
    }

    init(_ address: String) throws {
        let directory = try DaemonProcess.temporaryDirectory()
        defer { DaemonProcess.remove(directory) }
        let file = directory + "/probe.json"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, file, O_WRONLY | O_CREAT, 0o600)
        let pid = try DaemonProcess.spawn(
            path: "/usr/bin/ffprobe",
            ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", address], [], &actions)
        var status: CInt = 0
        try #require(waitpid(pid, &status, 0) == pid && status == 0, "ffprobe \(address): \(status)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Probe.self, from: try Data(contentsOf: URL(fileURLWithPath: file)))
    }
}
