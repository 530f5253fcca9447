import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// A daemon whose stages are programs of a test, and the notes that these programs leave.
///
/// The programs are Python. Each one begins with ``prelude``: it appends lines to a file in a
/// directory that it may write, and holds a lock there while it works. So a test sees each run, and
/// whether two runs of a stage were ever at work together.
final class CommandSite {
    /// Contains the programs and the notes. The daemon's data are elsewhere.
    let directory: String
    let daemon: DaemonProcess
    /// Finds the processes of the programs.
    let processes: MarkedProcesses

    private static let prelude = """
        #!/usr/bin/env python3
        import ctypes, fcntl, json, os, signal, subprocess, sys, time

        NOTES = os.environ["TEST_NOTES"]

        def note(*words):
            line = " ".join(str(word) for word in words) + "\\n"
            file = os.open(NOTES + "/notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(file, line.encode())
            os.close(file)

        def begin(stage):
            # The descriptor stays open, and a program that this one executes inherits it.
            lock = os.open(NOTES + "/lock-" + stage, os.O_RDWR | os.O_CREAT, 0o600)
            os.set_inheritable(lock, True)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                note(stage, "overlaps", os.getpid())
            note(stage, "starts", os.getpid(), time.time())

        def say(**message):
            print(json.dumps(message), flush=True)


        """

    /// - Parameters:
    ///   - pipelines: `pipelines.yaml`. `NOTES` stands for the path of the directory of the notes.
    ///     A stage needs `write_paths: [NOTES]` and `environment: {TEST_NOTES: NOTES}`.
    ///   - programs: the programs by their names, which are beside that file.
    ///   - environment: variables of the daemon, which are settings.
    init(_ pipelines: String, programs: [String: String], environment: [String] = []) throws {
        directory = try DaemonProcess.temporaryDirectory()
        let folder = directory + "/programs"
        let notes = directory + "/notes"
        for path in [folder, notes] {
            guard mkdir(path, 0o700) == 0 else { throw CannotPrepare(path: path, code: errno) }
        }
        let text = pipelines.replacing("NOTES", with: notes).replacing("TEST_" + notes, with: "TEST_NOTES")
        try text.write(toFile: folder + "/pipelines.yaml", atomically: false, encoding: .utf8)
        for (name, program) in programs {
            let path = folder + "/" + name
            try (Self.prelude + program).write(toFile: path, atomically: false, encoding: .utf8)
            chmod(path, 0o700)
        }
        processes = MarkedProcesses(variable: "TEST_NOTES=" + notes)
        do {
            daemon = try DaemonProcess(
                arguments: [],
                environment: [
                    "LONGTAKE_PIPELINES=\(folder)/pipelines.yaml", "LONGTAKE_QUEUES_CPU_WORKERS=8",
                    "LONGTAKE_STREAM_HEARTBEAT_SECONDS=1", "LONGTAKE_REPORTS_INTERVAL_MILLISECONDS=100",
                    "LONGTAKE_STORAGE_MIN_FREE_GIGABYTES=0",
                ] + environment)
        } catch {
            DaemonProcess.remove(directory)
            throw error
        }
    }

    deinit {
        daemon.kill()
        for pid in processes.all { Glibc.kill(pid, SIGKILL) }
        DaemonProcess.remove(directory)
    }

    /// A directory could not be made.
    struct CannotPrepare: Error {
        let path: String
        let code: CInt
    }

    // MARK: Notes

    /// The lines that the programs have written, as words.
    var notes: [[String]] {
        let text = (try? String(contentsOfFile: directory + "/notes/notes", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    }

    /// The notes that begin with these words.
    func notes(_ words: String...) -> [[String]] { notes.filter { $0.starts(with: words) } }

    /// Waits until there are this many notes that begin with these words.
    func wait(for count: Int, _ words: String..., within seconds: Double = 60) throws {
        let isThere = ProcessUsage.wait(upTo: seconds) { notes.count { $0.starts(with: words) } >= count }
        try #require(isThere, "\(count) × \(words) is not in \(notes.suffix(20))\n\(daemon.log.suffix(2_000))")
    }

    // MARK: Jobs

    /// The job as the API shows it.
    func job(_ id: String) throws -> [String: Any] { try daemon.get("/v1/jobs/\(id)").object() }

    /// The progress of a stage of the job.
    func progress(of id: String, stage index: Int = 0) throws -> Double {
        let stages = try job(id)["stages"] as? [Any] ?? []
        let stage = stages.indices.contains(index) ? stages[index] as? [String: Any] : nil
        return stage?["progress"] as? Double ?? 0
    }

    /// Follows a job to its end, and checks the rules of event logs.
    func wholeLog(of id: String, within seconds: Double = 120) throws -> JobLog {
        let log = JobLog(try daemon.follow(id).rest(within: seconds))
        try log.checkWhole()
        return log
    }

    /// The names of the artifacts that the API lists.
    func artifacts(of id: String) throws -> [String] {
        let list = try daemon.get("/v1/jobs/\(id)/artifacts").object()["artifacts"] as? [Any] ?? []
        return list.compactMap { ($0 as? [String: Any])?["name"] as? String }
    }

    /// Downloads an artifact into a file of this site.
    /// - Returns: the status, and the path if it is 200.
    func download(_ name: String, of id: String) throws -> (status: Int, path: String) {
        let socket = try daemon.connect()
        try socket.send(daemon.text("GET", "/v1/jobs/\(id)/artifacts/\(name)"))
        let head = try socket.readHead()
        let body = try socket.readBody(of: head, within: 60)
        let path = directory + "/downloaded-" + name
        if head.status == 200 { try Data(body).write(to: URL(filePath: path)) }
        return (head.status, path)
    }

    /// The regular files below a directory of the daemon's data, relative to it.
    func files(below folder: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(daemon.directory)/data/\(folder)")) ?? []
        return names.flatMap { name -> [String] in
            let path = folder + "/" + name
            var status = stat()
            guard lstat("\(daemon.directory)/data/\(path)", &status) == 0 else { return [] }
            return status.st_mode & S_IFMT == S_IFDIR ? files(below: path) : [path]
        }
    }
}
