import Foundation
import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// Files that were changed, cut or removed while no daemon ran (fault F6).
@Suite("damaged files", .serialized)
struct DamageTests {
    /// A database as after a crash, and the event logs that a reader has read from it. Some jobs
    /// are in the database, and the last ones only in the WAL.
    private struct Original {
        let scratch: ScratchDirectory
        let epoch: Epoch
        let logs: [JobID: [String]]
    }

    /// ```
    /// flip     one bit, anywhere in the database or its write-ahead log
    /// cut      the file ends earlier
    /// zero     a page is empty
    /// ```
    /// Pages have no checksums, so a changed byte within a stored text cannot be detected. Then
    /// only that text differs, and the test counts it. In all other cases the daemon refuses to
    /// start with a clear message, a read returns an error, or a read returns a prefix of the
    /// original event log.
    @Test(
        "are refused, give errors, or give a prefix of each event log", arguments: [1, 2, 3, 4] as [UInt64])
    func random(_ seed: UInt64) async throws {
        let rounds = getenv("LONGTAKE_DAMAGE_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 15
        let original = try await Self.original()
        var random = SplitMix(state: seed)
        var outcomes: [String: Int] = [:]
        for round in 0..<rounds {
            let scratch = try original.scratch.copy()
            let file = random.below(2) == 0 ? scratch.database : scratch.database + "-wal"
            try Self.damage(file, &random)
            let outcome = await Self.outcome(of: scratch, original)
            outcomes[outcome, default: 0] += 1
            #expect(outcome != "wrong", "seed \(seed), round \(round), \(file)")
        }
        print("DamageTests: LONGTAKE_DAMAGE_ROUNDS=\(rounds), seed \(seed): \(outcomes.sorted { $0.key < $1.key })")
        #expect(outcomes.count > 1, "the damage had several outcomes")
    }

    @Test(
        "a missing, empty or invalid WAL loses only its own changes, and everything else is correct",
        arguments: ["-wal", "-shm"])
    func logFiles(_ suffix: String) async throws {
        let original = try await Self.original()
        for kind in ["removed", "empty", "garbage"] {
            let scratch = try original.scratch.copy()
            let path = scratch.database + suffix
            switch kind {
            case "removed": try FileManager.default.removeItem(atPath: path)
            case "empty": try Data().write(to: URL(fileURLWithPath: path))
            default:
                try Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }).write(
                    to: URL(fileURLWithPath: path))
            }
            let outcome = await Self.outcome(of: scratch, original)
            #expect(outcome == (suffix == "-shm" ? "whole" : "prefix"), "\(kind) \(suffix)")
        }
    }

    /// This test failed when a page was not checked for gaps: the reader got the events around the
    /// gap.
    @Test("an event log with a gap gives the events before the gap, then an error")
    func hole() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        try await journal.finishJob(1, reports: 5)
        try journal.inspectWriter { try $0.execute(sql: "DELETE FROM event WHERE seq = 5") }
        let id = Samples.submission(1).id
        for (after, limit) in [(0, 100), (3, 100), (4, 1)] as [(Int64, Int)] {
            await #expect(throws: UnreadableRow.self) {
                _ = try await journal.events(
                    of: id, of: .anonymous, after: EventSequence(rawValue: after), limit: limit)
            }
        }
        let before = try await journal.events(of: id, of: .anonymous, after: .beforeFirst, limit: 4)
        #expect(before?.events.count == 4)
        try await journal.close()
    }

    private static func original() async throws -> Original {
        let scratch = ScratchDirectory()
        let clock = ManualClock()
        let journal = try await scratch.open(clock)
        for number in 1...6 { try await journal.finishJob(number, reports: 12) }
        try journal.inspectWriter { _ = try $0.checkpoint(.truncate) }
        for number in 7...9 { try await journal.finishJob(number, reports: 12) }
        var logs: [JobID: [String]] = [:]
        for number in 1...9 {
            let id = Samples.submission(number).id
            logs[id] = try await journal.events(of: id, of: .anonymous, after: .beforeFirst, limit: 100)?.events.map(
                \.json)
        }
        let crashed = try scratch.copy()
        try await journal.close()
        return Original(scratch: crashed, epoch: journal.epoch, logs: logs)
    }

    private static func damage(_ path: String, _ random: inout SplitMix) throws {
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let place = random.below(bytes.count)
        switch random.below(4) {
        case 0: bytes = bytes.prefix(place)
        case 1:
            let page = place / 4096 * 4096
            for index in page..<min(page + 4096, bytes.count) { bytes[index] = 0 }
        default: bytes[place] ^= UInt8(1 << random.below(8))
        }
        try bytes.write(to: URL(fileURLWithPath: path))
    }

    private static func outcome(of scratch: ScratchDirectory, _ original: Original) async -> String {
        let journal: SQLiteJournal
        do {
            journal = try await scratch.open()
        } catch let refusal as StorageRefusal {
            return refusal.description.contains(". ") ? "refused" : "wrong"
        } catch {
            return "wrong"
        }
        var outcome = "whole"
        for (id, lines) in original.logs {
            // A database without its WAL has a new epoch, which is in each event's id.
            let log = lines.map { $0.replacing("\"\(original.epoch)-", with: "\"\(journal.epoch)-") }
            do {
                let page = try await journal.events(of: id, of: .anonymous, after: .beforeFirst, limit: 100)
                let read = page?.events.map(\.json) ?? []
                if read == log { continue }
                if log.starts(with: read) {
                    if outcome == "whole" { outcome = "prefix" }
                } else {
                    outcome = isOneValue(read, log) ? "value" : "wrong"
                }
            } catch {
                outcome = "read error"
            }
            if outcome == "wrong" { break }
        }
        try? await journal.close()
        return outcome
    }

    /// Whether the new log is as long as the old one, and differs in one event.
    private static func isOneValue(_ read: [String], _ log: [String]) -> Bool {
        read.count == log.count && zip(read, log).count { $0 != $1 } == 1
    }
}
