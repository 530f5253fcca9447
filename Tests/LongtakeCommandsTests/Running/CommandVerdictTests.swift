import LongtakeCore
import Testing

@testable import LongtakeCommands

@Suite("command verdict")
struct CommandVerdictTests {
    @Test(
        "retries after 75, 137, 143 and a signal, and fails for good after any other status",
        arguments: [
            (ProgramEnd.exited(status: 75), true), (.exited(status: 137), true), (.exited(status: 143), true),
            (.exited(status: 1), false), (.exited(status: 2), false), (.exited(status: 255), false),
            (.exited(status: 127), false), (.signaled(9, isStopped: false), true),
            (.signaled(11, isStopped: false), true),
            (.unknown, true),
        ])
    func status(end: ProgramEnd, isRetryable: Bool) {
        let failure = CommandVerdict.failure(of: end, note: nil, detail: "d")
        #expect(failure?.isRetryable == isRetryable && failure?.code == "stage_failed" && failure?.detail == "d")
    }

    @Test("succeeds with status 0")
    func success() {
        #expect(CommandVerdict.failure(of: .exited(status: 0), note: nil, detail: nil) == nil)
    }

    @Test("an error message wins over the status, also over 0, and its retryable over the rule")
    func note() {
        func failure(_ end: ProgramEnd, _ isRetryable: Bool?) -> StageFailure? {
            CommandVerdict.failure(
                of: end, note: .init(code: "oom", message: "m", isRetryable: isRetryable), detail: nil)
        }
        #expect(failure(.exited(status: 0), nil) == StageFailure(code: "oom", message: "m", isRetryable: false))
        #expect(failure(.exited(status: 0), true)?.isRetryable == true)
        #expect(failure(.exited(status: 75), nil)?.isRetryable == true)
        #expect(failure(.exited(status: 75), false)?.isRetryable == false)
        #expect(failure(.exited(status: 1), true)?.isRetryable == true)
    }

    @Test("says disk_limit when the program wrote a file beyond its limit")
    func fileLimit() {
        let failure = CommandVerdict.failure(of: .signaled(25, isStopped: false), note: nil, detail: nil)
        #expect(failure?.code == "disk_limit" && failure?.isRetryable == false)
    }

    @Test("names the reason for which a program did not start")
    func start() {
        let failures = [.notExecutable("a"), .notConfined("b"), .failed("c")].map(CommandVerdict.failure(of:))
        #expect(failures.map(\.code) == ["command_not_found", "not_confined", "stage_failed"])
        #expect(failures.map(\.isRetryable) == [false, false, true])
    }
}
