import Glibc
import LongtakeCore
import NIOCore

/// Connections that submit one job after the other over HTTP, each waiting for the answer, which means that the job is durable.
struct SubmissionLoad: Sendable {
    let seconds: Double
    let syncDelayMilliseconds: Int

    struct Outcome: Sendable {
        var accepted = 0
        var perSecond = 0.0
        var latencies = LatencyHistogram()
        var usage: ProcessMeter.Usage?
        /// How much of a processor the driver itself used.
        var driverCores = 0.0
        /// How many jobs the daemon lists in the end.
        var kept = 0
    }

    func measure(connections: Int, _ options: DaemonOptions, in directory: String) async throws -> Outcome {
        let daemon = try await options.open(
            BenchSettings(), in: directory, syncDelayMilliseconds: syncDelayMilliseconds)
        let desk = JobDesk(port: daemon.port)
        let keptBefore = try await desk.heads().count
        let lines = try await open(connections, to: daemon.port)
        let driver = ProcessMeter(processes: [getpid()])
        let (before, driverBefore) = (daemon.meter.read(), driver.read())
        let began = ContinuousClock.now
        let end = WallTime.microseconds() + Int64(seconds * 1_000_000)
        var outcome = try await Submitter.run(on: lines, until: end)
        outcome.perSecond = Double(outcome.accepted) / ((ContinuousClock.now - began) / .seconds(1))
        outcome.driverCores = driver.usage(since: driverBefore).cores
        if !daemon.meter.isBlind { outcome.usage = daemon.meter.usage(since: before) }
        for line in lines { try await line.close() }
        outcome.kept = try await desk.heads().count - keptBefore
        try await daemon.stop()
        return outcome
    }

    private func open(_ count: Int, to port: Int) async throws -> [RequestConnection] {
        var lines: [RequestConnection] = []
        for _ in 0..<count { lines.append(try await RequestConnection.open(port: port, on: WatcherGroup.loop)) }
        return lines
    }
}

extension SubmissionLoad.Outcome {
    static let table = ResultTable([
        "connections", "round", "submits/s", "p50 ms", "p99 ms", "max ms", "CPU µs/submit", "cores",
        "driver cores",
    ])

    func report(_ connections: Int, _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument) {
        let cost = usage.map { $0.cpuMicroseconds / Double(max(1, accepted)) }
        table.add([
            "\(connections)", "\(round)", perSecond.shown(0), latencies.p50.shown(2), latencies.p99.shown(2),
            latencies.most.shown(2), (cost ?? .nan).shown(1), (usage?.cores ?? .nan).shown(3),
            driverCores.shown(2),
        ])
        document.append(
            "windows",
            [
                "connections": .measured(connections), "round": .measured(round), "submits": .measured(accepted),
                "submits_per_second": .measured(perSecond), "latency": latencies.json,
                "cpu_microseconds_per_submit": .measured(cost), "cores": .measured(usage?.cores),
                "driver_cores": .measured(driverCores),
            ])
        if kept != accepted {
            document.blame(
                "\(connections) connections, round \(round): \(accepted) jobs were accepted and \(kept) are listed")
        }
    }
}
