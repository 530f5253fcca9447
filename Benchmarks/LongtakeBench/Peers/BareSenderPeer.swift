/// A child of this binary that does nothing but write to sockets, with the library that the daemon uses: what no server of that kind
/// can go below.
struct BareSenderPeer: FanoutSource {
    let port: Int
    let meter: ProcessMeter
    private let process: ChildProcess
    private let scratch: ScratchDirectory

    var plan: WatchPlan { WatchPlan(job: 0, path: "/") }

    static func start(rate: Double, messageBytes: Int, in directory: String) async throws -> BareSenderPeer {
        let scratch = try ScratchDirectory(in: directory)
        let process = try ChildProcess(
            DaemonOptions.ownBinary, ["bare-sender", "--rate", "\(rate)", "--message-bytes", "\(messageBytes)"],
            log: scratch.path + "/log")
        let port = try await process.awaitOutput(within: 10) { output in
            output.split(separator: "\n").first { $0.hasPrefix("ready ") }.flatMap { Int($0.dropFirst(6)) }
        }
        return BareSenderPeer(
            port: port, meter: ProcessMeter(processes: [process.id]), process: process, scratch: scratch)
    }

    func begin(for group: WatcherGroup) async throws {}

    func stop() async throws {
        try await process.stop()
        scratch.remove()
    }
}
