import Glibc
import LongtakeCore
import LongtakePostgresSpike
import LongtakeTesting
import Synchronization
import Testing

@Suite("two nodes on one PostgreSQL", .serialized, .timeLimit(.minutes(10)))
struct TwoHandleTests {
    typealias Conformance = TwoHandleConformance<PostgresNode>

    @Test("keep the contract", arguments: Conformance.all)
    func prompt(_ check: Conformance.Check) async throws {
        try await withNodes { try await check.run(Conformance($0, $1)) }
    }

    @Test("keep it when batches commit late, and connections are cut", arguments: Conformance.all, 1...4)
    func hostile(_ check: Conformance.Check, _ seed: UInt64) async throws {
        try await withNodes(.hostile(seed), .hostile(seed + 100)) { try await check.run(Conformance($0, $1)) }
    }
}

extension NodeFaults {
    /// As unkind as the database allows: one batch in four loses its connection. In turn: before the batch is sent,
    /// right after it, and so late that it has often committed.
    static func hostile(_ seed: UInt64) -> NodeFaults {
        let schedule = HostileSchedule(seed: seed)
        let turn = Mutex(0)
        return NodeFaults(
            beforeCommit: { await schedule.beforeCommit() },
            cut: {
                guard schedule.losesAnswer() else { return nil }
                let cuts: [Cut] = [.beforeSend, .afterSend {}, .afterSend { poll(nil, 0, 20) }]
                return turn.withLock { turn in
                    turn += 1
                    return cuts[turn % 3]
                }
            })
    }
}

/// Runs a test with two nodes on an empty database.
func withNodes(
    _ first: NodeFaults = NodeFaults(), _ second: NodeFaults = NodeFaults(), cluster: Cluster? = nil,
    _ body: (PostgresNode, PostgresNode) async throws -> Void
) async throws {
    try await withDatabase(cluster) { database in
        let nodes = (
            try await PostgresNode.join(database, faults: first), try await PostgresNode.join(database, faults: second)
        )
        defer {
            nodes.0.disconnect()
            nodes.1.disconnect()
        }
        try await body(nodes.0, nodes.1)
    }
}

/// Runs a test with the conninfo of an empty database.
func withDatabase(_ cluster: Cluster? = nil, _ body: (String) async throws -> Void) async throws {
    try await body(try (cluster ?? Cluster.shared.get()).database())
}
