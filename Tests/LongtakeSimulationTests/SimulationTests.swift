import FoundationEssentials
import Glibc
import Testing

/// Fault F15: the engine, the fan-out and the group commit over a disk with faults, with a
/// scheduler whose seed decides the order of all steps.
///
/// The long form is `LONGTAKE_SCHEDULES=100000 swift test --filter SimulationTests`. It prints each
/// failing seed. To see its steps: `.build/debug/longtake-simulation --seed <seed> --trace`.
@Suite struct SimulationTests {
    @Test("every guarantee holds in any order of steps and with any faults")
    func schedules() async throws {
        let count = Self.number("LONGTAKE_SCHEDULES") ?? 200
        let first = Self.number("LONGTAKE_SEED") ?? 1
        // In parts, one per processor, so that a part that traps does not end the others.
        let processors = max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))
        let size = min(2_500, (count + processors - 1) / processors)
        var parts = stride(from: first, to: first + count, by: size).makeIterator()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<processors {
                if let part = parts.next() { group.addTask { try await Self.run(part, size) } }
            }
            while try await group.next() != nil {
                if let part = parts.next() { group.addTask { try await Self.run(part, size) } }
            }
        }
    }

    private static func run(_ seed: Int, _ schedules: Int) async throws {
        let run = try await SimulationProcess.run(["--seed", "\(seed)", "--schedules", "\(schedules)"])
        print("LONGTAKE_SEED=\(seed) LONGTAKE_SCHEDULES=\(schedules): \(run.output)", terminator: "")
        #expect(run.status == 0, "\(run.output)")
    }

    /// The seeds in `seeds.txt` have found a bug or a removed protection.
    @Test("every guarantee holds for the seeds that have found a bug before")
    func knownSeeds() async throws {
        let seeds = try Self.seeds()
        try #require(!seeds.isEmpty)
        for seed in seeds {
            let run = try await SimulationProcess.run(["--seed", seed])
            #expect(run.status == 0, "\(run.output)")
        }
    }

    /// This test failed when hashes differed between processes.
    @Test("the same seed gives the same schedule in every process")
    func repeatable() async throws {
        let arguments = ["--seed", "7", "--schedules", "20"]
        let (one, other) = try await (SimulationProcess.run(arguments), SimulationProcess.run(arguments))
        #expect(one.output == other.output && one.output.contains("hash"), "\(one.output)\(other.output)")
        // A schedule depends on nothing from earlier schedules of its process.
        let trace = try await SimulationProcess.run(["--seed", "22", "--trace"])
        let among = try await SimulationProcess.run(["--seed", "21", "--schedules", "2", "--trace"])
        let lines = trace.output.split(separator: "\n").dropLast()
        #expect(lines.count > 10)
        #expect(among.output.split(separator: "\n").dropLast().suffix(lines.count) == lines)
    }

    /// The seed of each line. The rest of the line says what the seed found.
    private static func seeds() throws -> [String] {
        let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let data = try #require(FileManager.default.contents(atPath: folder + "/seeds.txt"))
        return String(decoding: data, as: UTF8.self).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }.compactMap { $0.split(separator: " ").first.map(String.init) }
    }

    private static func number(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }
}
