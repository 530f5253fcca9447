import Glibc
import Testing

@testable import longtake_bench

@Suite struct ChildProcessTests {
    /// Writes a line and then runs until it is killed.
    private static func running() throws -> ChildProcess {
        try ChildProcess("/bin/sh", ["-c", "echo ready 7; exec tail -f /dev/null"])
    }

    @Test("finds a value in the output of a running process, and stops the process")
    func ready() async throws {
        let process = try Self.running()
        let value = try await process.awaitOutput(within: 30) { $0.hasPrefix("ready 7\n") ? 7 : nil }
        #expect(value == 7)
        try await process.stop()
        #expect(kill(process.id, 0) == -1)
    }

    @Test("throws if the process exits before it is ready, and again when it is stopped")
    func exited() async throws {
        let process = try ChildProcess("/bin/sh", ["-c", "echo no free port"])
        let early = await #expect(throws: BenchFailure.self) {
            _ = try await process.awaitOutput(within: 30) { _ -> Int? in nil }
        }
        #expect(early?.description.contains("no free port") == true)
        await #expect(throws: BenchFailure.self) { try await process.stop() }
    }

    @Test("throws if the process is not ready in time")
    func late() async throws {
        let process = try Self.running()
        await #expect(throws: BenchFailure.self) {
            _ = try await process.awaitOutput(within: 0.01) { _ -> Int? in nil }
        }
        try await process.stop()
    }
}
