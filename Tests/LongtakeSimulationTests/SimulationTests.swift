import FoundationEssentials
import Glibc
import Testing

/// Fault F15: the engine and the fan-out over a journal with faults, under a scheduler whose seed decides what goes on when.
///
/// The long form is `LONGTAKE_SCHEDULES=100000 swift test --filter SimulationTests`. A failing seed is printed; to see what it does:
/// `.build/debug/longtake-simulation --seed <seed> --trace`.
@Suite struct SimulationTests {
    @Test("whatever goes on when, and whatever breaks, every promise is kept")
    func schedules() async throws {
        let count = Self.number("LONGTAKE_SCHEDULES") ?? 200
        let first = Self.number("LONGTAKE_SEED") ?? 1
        // In parts, one for each processor, so that one that traps does not take all others with it.
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

    /// Seeds that once found something, here or with a protection taken out.
    @Test("seeds that found something find nothing any more")
    func knownSeeds() async throws {
        let seeds = try Self.seeds()
        try #require(!seeds.isEmpty)
        for seed in seeds {
            let run = try await SimulationProcess.run(["--seed", seed])
            #expect(run.status == 0, "\(run.output)")
        }
    }

    /// Fails where hashes are left to differ from process to process, for one.
    @Test("the same seed is the same schedule, in another process too")
    func repeatable() async throws {
        let arguments = ["--seed", "7", "--schedules", "20"]
        let (one, other) = try await (SimulationProcess.run(arguments), SimulationProcess.run(arguments))
        #expect(one.output == other.output && one.output.contains("hash"), "\(one.output)\(other.output)")
        // What a schedule does depends on nothing that another left behind in its process.
        let trace = try await SimulationProcess.run(["--seed", "20", "--trace"])
        let among = try await SimulationProcess.run(["--seed", "19", "--schedules", "2", "--trace"])
        let lines = trace.output.split(separator: "\n").dropLast()
        #expect(lines.count > 10)
        #expect(among.output.split(separator: "\n").dropLast().suffix(lines.count) == lines)
    }

    /// One in each line, with what it found behind it.
    private static func seeds() throws -> [String] {
        let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let data = try #require(FileManager.default.contents(atPath: folder + "/seeds.txt"))
        return String(decoding: data, as: UTF8.self).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }.compactMap { $0.split(separator: " ").first.map(String.init) }
    }

    private static func number(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }
}
