import LongtakeCore

/// One window of a fan-out.
struct FanoutResult: Sendable {
    let delivery: Delivery
    /// `nil` for a server whose process is not known.
    let usage: ProcessMeter.Usage?

    var microsecondsPerEvent: Double {
        guard let usage, delivery.events > 0 else { return .nan }
        return usage.cpuMicroseconds / Double(delivery.events)
    }

    /// Events that the server made in a second, whoever got them.
    var publishedPerSecond: Double { Double(delivery.published) / delivery.seconds }

    static let table = ResultTable([
        "server", "round", "events/s", "delivered/s", "bytes/event", "CPU µs/event", "cores", "p50 ms", "p99 ms",
        "max ms",
        "first: p50", "p99", "spread: p50", "p99", "driver cores",
    ])

    func report(_ name: String, _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument) {
        let (times, exact) = (delivery.latencies, delivery.exactLatencies)
        let (firsts, spreads) = (delivery.firsts, delivery.spreads)
        table.add([
            name, "\(round)", publishedPerSecond.shown(2), delivery.eventsPerSecond.shown(0),
            delivery.bytesPerEvent.shown(0),
            microsecondsPerEvent.shown(2), (usage?.cores ?? .nan).shown(3), times.p50.shown(2), times.p99.shown(2),
            times.most.shown(2), firsts.p50.shown(2), firsts.p99.shown(2), spreads.p50.shown(2), spreads.p99.shown(2),
            delivery.driverCores.shown(2),
        ])
        var members: [String: JSONValue] = [
            "server": .string(name), "round": .measured(round), "events_per_second": .measured(publishedPerSecond),
            "delivered": .measured(delivery.events), "delivered_per_second": .measured(delivery.eventsPerSecond),
            "cpu_microseconds_per_event": .measured(microsecondsPerEvent), "cores": .measured(usage?.cores),
            "driver_cores": .measured(delivery.driverCores),
            "bytes_per_event": .measured(delivery.bytesPerEvent), "latency": times.json,
            "latency_of_first": firsts.json, "latency_from_first": spreads.json, "gaps": .measured(delivery.gaps),
            "duplicates": .measured(delivery.duplicates),
        ]
        if exact.count > 0 { members["latency_from_publication"] = exact.json }
        document.append("windows", members)
        document.expect(delivery, "\(name), round \(round)")
    }
}
