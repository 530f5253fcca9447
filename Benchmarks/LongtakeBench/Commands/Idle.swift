import ArgumentParser
import LongtakeCore

/// `longtake-bench idle`
struct Idle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Open streams that nothing happens to: memory for each, and the processor time of their heartbeats.",
        discussion: """
            Memory is what was added from before the streams were opened to the end of the idle time. Buffers and slab are the kernel's, for both ends of each \
            connection, and of the whole machine: leave it alone meanwhile. A server whose process is not known has no memory here.
            """)

    enum Peer: String, ExpressibleByArgument, CaseIterable {
        case nchan
    }

    @Option(help: "How many streams of one waiting job, 1 to 15000.")
    var streams = 5_000
    @Option(help: "How long processor time is taken, 1 to 600; a heartbeat comes every 15 seconds.")
    var seconds = 60.0
    @Option(help: "How many rounds, each with a fresh server, 1 to 50.")
    var rounds = 1
    @Option(help: "What to measure in turn with the daemon: nginx with nchan, which pings every 15 seconds too.")
    var peer: Peer?
    @Option(help: "The worker processes of nginx, 1 to 64.")
    var peerWorkers = 2
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...15_000).contains(streams), (1...600).contains(seconds) else {
            throw ValidationError("--streams is 1 to 15000, --seconds 1 to 600")
        }
        guard (1...50).contains(rounds), (1...64).contains(peerWorkers) else {
            throw ValidationError("--rounds is 1 to 50, --peer-workers 1 to 64")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("idle")
        document["streams"] = .measured(streams)
        document["seconds"] = .number(seconds)
        var table = IdleStreams.Outcome.table
        var (memory, time) = (Rounds(), Rounds())
        let load = IdleStreams(streams: streams, seconds: seconds)
        for round in 1...rounds {
            ProgressLine.say("round \(round) of \(rounds): longtake")
            let ours = try await load.measure(
                try await DaemonSource.start(daemon, BenchSettings(), pipeline: "quiet", in: output.directory))
            ours.report("longtake", round, window: seconds, &table, &document)
            guard let peer else { continue }
            ProgressLine.say("round \(round) of \(rounds): \(peer.rawValue)")
            let theirs = try await load.measure(
                try await NchanPeer.start(workers: peerWorkers, rate: 1, messageBytes: 40, in: output.directory))
            theirs.report(peer.rawValue, round, window: seconds, &table, &document)
            memory.add(ours: ours.perStream(\.residentBytes) / 1024, theirs: theirs.perStream(\.residentBytes) / 1024)
            time.add(ours: (ours.usage?.cores ?? .nan) * 100, theirs: (theirs.usage?.cores ?? .nan) * 100)
        }
        document.tables.append(table)
        guard let peer else { return document }
        for (name, unit, rounds) in [("memory", "RSS in KiB/stream", memory), ("cpu", "CPU in % of a core", time)] {
            document[name] = rounds.json
            document.notes.append("\(unit), longtake / \(peer.rawValue), medians: \(rounds.described)")
        }
        return document
    }
}
