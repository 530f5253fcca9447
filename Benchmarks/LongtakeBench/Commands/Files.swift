import ArgumentParser
import Glibc
import LongtakeAPI
import LongtakeCore

/// `longtake-bench files`
struct Files: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Uploads and downloads of a large file, and the memory of many slow downloads.",
        discussion: """
            With --beside-nginx, the daemon and nginx take turns on one disk. Everything is written to the disk before each transfer begins. The daemon hashes an \
            upload and syncs it before it answers. nginx does neither, so an upload to nginx has two times: until its response, and until the \
            driver has synced the file and its directory after it. The processor time of that sync is not part of nginx's.
            """)

    @Option(help: "The size of the file in megabytes, 1 to 900.")
    var megabytes = 256
    @Option(help: "The number of rounds, 1 to 50.")
    var rounds = 7
    @Flag(help: "Also compare with nginx, which stores files with its dav module.")
    var besideNginx = false
    @Option(help: "The number of nginx worker processes, 1 to 64.")
    var peerWorkers = 2
    @Option(help: "The number of simultaneous slow downloads, 0 to 10000.")
    var slow = 1_000
    @Option(help: "How long the slow downloads run, 1 to 600 seconds.")
    var seconds = 10.0
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...900).contains(megabytes), (1...50).contains(rounds), (1...64).contains(peerWorkers) else {
            throw ValidationError("--megabytes must be 1 to 900, --rounds 1 to 50, --peer-workers 1 to 64")
        }
        guard (0...10_000).contains(slow), (1...600).contains(seconds) else {
            throw ValidationError("--slow must be 0 to 10000, --seconds 1 to 600")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("files")
        document["megabytes"] = .measured(megabytes)
        let daemon = try await daemon.open(DaemonSettings(), in: output.directory)
        let nginx =
            besideNginx
            ? try await NginxFileServer.start(workers: peerWorkers, in: output.directory) : nil
        let path = try await transfer(daemon, nginx, &document)
        try await nginx?.stop()
        if slow > 0 { try await measureSlowDownloads(path, daemon, &document) }
        try await daemon.stop()
        return document
    }

    /// - Returns: the path of a file that the daemon has.
    private func transfer(
        _ daemon: DaemonUnderTest, _ nginx: NginxFileServer?, _ document: inout ResultDocument
    ) async throws -> String {
        var (table, comparison, path) = (TimedTransfer.table, FileComparison(), "")
        for round in 1...rounds {
            ProgressMessage.write("round \(round) of \(rounds): \(megabytes) MB")
            let seed = UInt64(round) << 32 | UInt64(getpid())
            let upload = try await upload(to: daemon, seed: seed)
            path = upload.path
            var rows = [("upload to longtake", upload.transfer)]
            var peerUpload: (answered: TimedTransfer, synced: TimedTransfer)?
            if let nginx { peerUpload = try await self.upload(to: nginx, "file-\(round)", seed: seed) }
            if let peerUpload {
                rows += [("upload to nginx", peerUpload.answered), ("… and sync", peerUpload.synced)]
            }
            let download = try await download(path, daemon.port, daemon.meter)
            rows.append(("download from longtake", download))
            if let nginx, let peerUpload {
                let peerDownload = try await self.download("/file-\(round)", nginx.port, nginx.meter)
                rows.append(("download from nginx", peerDownload))
                comparison.add(upload.transfer, peerUpload.answered, peerUpload.synced, download, peerDownload)
            }
            for (name, transfer) in rows { transfer.report(name, round, &table, &document) }
        }
        document.tables.append(table)
        if nginx != nil { comparison.report(&document) }
        return path
    }

    private func upload(
        to daemon: DaemonUnderTest, seed: UInt64
    ) async throws -> (transfer: TimedTransfer, path: String) {
        let bytes = megabytes * TimedTransfer.megabyte
        let (body, transfer) = try await TimedTransfer.measure(bytes, daemon.meter) { _ in
            let answer = try FileTransfer(port: daemon.port).upload("POST /v1/files HTTP/1.1", bytes: bytes, seed: seed)
            guard answer.head.status == 201 else {
                throw BenchFailure(
                    "an upload received \(answer.head.status): \(String(decoding: answer.body, as: UTF8.self))")
            }
            return answer.body
        }
        let file = try JSONText.decode(FileDocument.self, from: String(decoding: body, as: UTF8.self))
        return (transfer[0], APILinks().content(of: file.id))
    }

    /// - Returns: the transfer until the response, and until the file is synced.
    private func upload(
        to nginx: NginxFileServer, _ name: String, seed: UInt64
    ) async throws -> (answered: TimedTransfer, synced: TimedTransfer) {
        let bytes = megabytes * TimedTransfer.megabyte
        let (_, transfers) = try await TimedTransfer.measure(bytes, nginx.meter) { lap in
            let answer = try FileTransfer(port: nginx.port).upload("PUT /\(name) HTTP/1.1", bytes: bytes, seed: seed)
            lap()
            guard answer.head.status == 201 else {
                throw BenchFailure("nginx answered a PUT with \(answer.head.status)")
            }
            try nginx.sync(name)
        }
        return (transfers[0], transfers[1])
    }

    private func download(_ path: String, _ port: Int, _ meter: ProcessMeter) async throws -> TimedTransfer {
        let bytes = megabytes * TimedTransfer.megabyte
        return try await TimedTransfer.measure(bytes, meter) { _ in
            let head = try FileTransfer(port: port).download(path)
            guard head.status == 200, head.bodyBytes == bytes else {
                throw BenchFailure("a download received \(head.status) and \(head.bodyBytes) bytes")
            }
        }.laps[0]
    }

    private func measureSlowDownloads(
        _ path: String, _ daemon: DaemonUnderTest, _ document: inout ResultDocument
    ) async throws {
        ProgressMessage.write("\(slow) slow downloads for \(seconds) s")
        let process = daemon.meter.processes.first
        let before = try await MemoryReading.settled(daemon.meter, within: 10)
        let descriptorsBefore = process.map(ProcessTable.descriptors) ?? 0
        let load = SlowDownloads(clients: slow, seconds: seconds)
        let (outcome, peak) = try await MemoryReading.peak(daemon.meter) {
            try await FileTransfer.onThread { try load.run(path, port: daemon.port, process: process) }
        }
        let after = try await MemoryReading.settled(daemon.meter, within: 10)
        let left = (process.map(ProcessTable.descriptors) ?? 0) - descriptorsBefore
        let each = { (amount: Int) in Double(amount) / Double(slow) }
        let resident = each(peak.residentBytes - before.residentBytes)
        let sockets = each(peak.socketBytes - before.socketBytes)
        let descriptors = each(outcome.descriptors - descriptorsBefore)
        let taken = each(outcome.bytes)
        document.notes += [
            """
            each of \(slow) slow downloads: \((resident / 1024).fixed(1)) KiB of the process, \((sockets / 1024).fixed(1)) KiB in socket \
            buffers (both ends), \(descriptors.fixed(2)) descriptors; it took \((taken / 1024).fixed(1)) KiB
            """,
            """
            RSS in MiB: \(before.residentBytes.mebibytes) before, \(peak.residentBytes.mebibytes) at most, \
            \(after.residentBytes.mebibytes) after
            """,
        ]
        document["slow_downloads"] = .object([
            "clients": .measured(slow), "resident_bytes_each": .measured(resident),
            "socket_bytes_each": .measured(sockets), "descriptors_each": .measured(descriptors),
        ])
        if outcome.cut > 0 { document.addFault("\(outcome.cut) slow downloads were cut") }
        if outcome.unserved > 0 { document.addFault("\(outcome.unserved) slow downloads received nothing") }
        if left > 0 { document.addFault("\(left) descriptors are open after the slow downloads") }
    }
}

/// The daemon beside nginx.
private struct FileComparison {
    private var (synced, unsynced, downloads) = (PairedRounds(), PairedRounds(), PairedRounds())
    private var (uploadCosts, downloadCosts) = (PairedRounds(), PairedRounds())

    mutating func add(
        _ upload: TimedTransfer, _ peerAnswered: TimedTransfer, _ peerSynced: TimedTransfer,
        _ download: TimedTransfer, _ peerDownload: TimedTransfer
    ) {
        synced.add(upload.perSecond, peerSynced.perSecond)
        unsynced.add(upload.perSecond, peerAnswered.perSecond)
        downloads.add(download.perSecond, peerDownload.perSecond)
        uploadCosts.add(upload.cpuMilliseconds, peerAnswered.cpuMilliseconds)
        downloadCosts.add(download.cpuMilliseconds, peerDownload.cpuMilliseconds)
    }

    func report(_ document: inout ResultDocument) {
        for (name, text, pairs) in [
            ("upload_synced", "upload in MB/s, longtake / nginx and a sync", synced),
            ("upload", "upload in MB/s, longtake / nginx without a sync", unsynced),
            ("download", "download in MB/s, longtake / nginx", downloads),
            ("upload_cpu", "ms of CPU for an uploaded MB, longtake / nginx without a sync", uploadCosts),
            ("download_cpu", "ms of CPU for a downloaded MB, longtake / nginx", downloadCosts),
        ] {
            document[name] = pairs.json
            document.notes.append("\(text), medians: \(pairs.text)")
        }
    }
}

/// The time and processor time of one transfer.
private struct TimedTransfer: Sendable {
    let bytes: Int
    let usage: ProcessMeter.Usage

    static let megabyte = 1_000_000

    var perSecond: Double { Double(bytes) / Double(Self.megabyte) / usage.wallSeconds }
    /// For each MB.
    var cpuMilliseconds: Double { usage.cpuMicroseconds / 1e3 / (Double(bytes) / Double(Self.megabyte)) }

    /// Runs a blocking transfer on a thread of its own.
    /// - Parameter run: gets a function that ends a lap.
    /// - Returns: what `run` returns, and a transfer for each lap, from the beginning to its end.
    static func measure<Value: Sendable>(
        _ bytes: Int, _ meter: ProcessMeter, _ run: @escaping @Sendable (() -> Void) throws -> Value
    ) async throws -> (value: Value, laps: [TimedTransfer]) {
        try await FileTransfer.onThread {
            sync()
            let began = meter.read()
            var laps: [TimedTransfer] = []
            let value = try run { laps.append(TimedTransfer(bytes: bytes, usage: meter.usage(since: began))) }
            return (value, laps + [TimedTransfer(bytes: bytes, usage: meter.usage(since: began))])
        }
    }

    static let table = ResultTable(["transfer", "round", "MB/s", "CPU ms/MB", "cores"])

    func report(_ name: String, _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument) {
        table.add(["\(name)", "\(round)", perSecond.fixed(0), cpuMilliseconds.fixed(2), usage.cores.fixed(2)])
        document.append(
            "transfers",
            [
                "name": .string(name), "round": .measured(round), "megabytes_per_second": .measured(perSecond),
                "cpu_milliseconds_per_megabyte": .measured(cpuMilliseconds),
            ])
    }
}
