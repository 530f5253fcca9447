import Testing

@testable import longtake_bench

@Suite struct WatcherGroupTests {
    @Test("waits until a change of the recorder meets the condition")
    func met() async throws {
        let group = try await WatcherGroup.make()
        try await group.wait(60, for: "a rejection") { recorder in
            guard recorder.watchers.isEmpty else { return recorder.delivery.rejections == 1 }
            // The first evaluation itself causes the change.
            recorder.rejected(recorder.add(StreamRequest(job: 0, path: "/")), status: 200)
            return false
        }
    }

    @Test("stops waiting when a stream fails")
    func failed() async throws {
        let group = try await WatcherGroup.make()
        let error = await #expect(throws: BenchFailure.self) {
            try await group.wait(60, for: "an event") { recorder in
                recorder.failed("a stream broke")
                return false
            }
        }
        #expect(error?.description == "waiting for an event: a stream broke")
    }

    @Test("stops waiting when the time is over")
    func late() async throws {
        let group = try await WatcherGroup.make()
        let error = await #expect(throws: BenchFailure.self) {
            try await group.wait(0.01, for: "an event") { _ in false }
        }
        #expect(error?.description == "waiting for an event: not within 0.01 s")
    }
}
