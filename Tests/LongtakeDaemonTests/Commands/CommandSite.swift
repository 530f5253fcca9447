import FoundationEssentials
import LongtakeDaemonDriver
import Testing

/// A directory with settings, and with the pipeline `bytes`, whose one stage is a command: it makes
/// the artifact `out.txt`, `size` random bytes in base64. The directory is removed with this value.
final class CommandSite: Sendable {
    let directory: String
    let settings: String

    /// The data directory of ``start(_:)``.
    var data: String { directory + "/data" }

    /// - Parameter more: further keys of the stage, each on a line of its own.
    init(_ more: String...) throws {
        directory = try DaemonProcess.temporaryDirectory()
        settings = directory + "/longtake.yaml"
        let lines = more.map { "        \($0)\n" }.joined()
        let pipelines = """
            default: simulated
            pipelines:
              simulated:
                description: d
                input: {}
                stages: [{name: a, queue: io, seconds: 0.1, steps: 1, message: m}]
              bytes:
                description: d
                input: {size: {type: integer, minimum: 0, maximum: 10000000, default: 1000}}
                stages:
                  - name: make
                    queue: cpu
                    seconds: 1
                    command: [/bin/sh, -c, 'head -c "$1" /dev/urandom | base64 > out.txt', sh, "{input.size}"]
                    artifacts: [{path: out.txt, name: out.txt, type: text/plain}]

            """
        try (pipelines + lines).write(toFile: directory + "/pipelines.yaml", atomically: false, encoding: .utf8)
        try "commands: {sandbox: optional}\n".write(toFile: settings, atomically: false, encoding: .utf8)
    }

    deinit { DaemonProcess.remove(directory) }

    /// Replaces a text in the pipelines.
    func replace(_ text: String, with other: String) throws {
        let path = directory + "/pipelines.yaml"
        let pipelines = try String(contentsOfFile: path, encoding: .utf8)
        try pipelines.replacing(text, with: other).write(toFile: path, atomically: false, encoding: .utf8)
    }

    /// - Parameter environment: settings as variables.
    func start(_ environment: String..., wrapper: [String] = []) throws -> DaemonProcess {
        try DaemonProcess(
            arguments: ["--config", settings, "--speed", "100"], environment: environment, directory: directory,
            wrapper: wrapper)
    }

    /// Submits a job that makes an artifact.
    func submit(_ daemon: DaemonProcess, size: Int = 1000) throws -> String {
        try daemon.submit(#"{"pipeline":"bytes","input":{"size":\#(size)}}"#)
    }

    /// The job when it is final.
    @discardableResult
    func finished(_ job: String, _ daemon: DaemonProcess) throws -> [String: Any] {
        let deadline = Deadline(30)
        while true {
            let object = try daemon.get("/v1/jobs/\(job)", "Prefer: wait=5").object()
            if object["finished_at"] is String { return object }
            try #require(!deadline.isOver, "the job does not end: \(object)\n\(daemon.log)")
        }
    }

    /// The artifact of a job: its SHA-256 and its text.
    func artifact(of job: String, _ daemon: DaemonProcess) throws -> (hash: String, text: String) {
        let answer = try daemon.get("/v1/jobs/\(job)/artifacts/out.txt")
        try #require(answer.status == 200, "\(answer.body)")
        return (try #require(answer["etag"]).replacing("\"", with: ""), answer.body)
    }

    /// Uploads a file.
    /// - Returns: its id.
    func upload(_ text: String, to daemon: DaemonProcess) throws -> String {
        try daemon.connect().exchange(
            "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
        ).text("id")
    }

    /// Where the store keeps content of the anonymous tenant.
    func stored(_ hash: String) -> String { "\(data)/files/tenants/anonymous/\(hash.prefix(2))/\(hash)" }
}
