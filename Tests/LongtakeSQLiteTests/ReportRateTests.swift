import Foundation
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// A measurement, which runs only on request.
@Suite("rates", .enabled(if: ProcessInfo.processInfo.environment["LONGTAKE_MEASURE"] != nil))
struct ReportRateTests {
    @Test("reports of 1,000 stages at once")
    func reports() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...1_000 { group.addTask { _ = try await journal.submit(Samples.submission(number)) } }
            try await group.waitForAll()
        }
        let claims = try await journal.claim(queue: Samples.cpu, limit: 1_000).claims
        let elapsed = try await ContinuousClock().measure {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for claim in claims {
                    group.addTask {
                        for step in 1...50 {
                            let report = StageReport(
                                progress: Progress(Double(step) / 50), message: "frame \(step) of 50")
                            _ = try await journal.report(report, for: claim)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        print("50,000 reports in \(elapsed)")
        try await journal.close()
    }
}
