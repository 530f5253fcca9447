import LongtakeCore

/// What the end of a program means for its stage. It is a pure rule.
enum CommandVerdict {
    /// sysexits.h: the failure is temporary, and the user is invited to retry.
    static let temporaryFailure: Int32 = 75
    /// A shell reports death by signal N as 128 + N. These are SIGKILL and SIGTERM.
    static let killed: Set<Int32> = [137, 143]
    /// The program wrote a file beyond the limit (RLIMIT_FSIZE).
    static let fileTooLarge: Int32 = 25

    /// Why the stage fails; `nil` if it succeeded.
    /// - Parameters:
    ///   - note: the last error message of the program. It wins over the exit status.
    ///   - detail: the end of its standard error.
    static func failure(of end: ProgramEnd, note: StageMessage.ErrorNote?, detail: String?) -> StageFailure? {
        let failure = failure(of: end, detail: detail)
        guard let note else { return failure }
        return StageFailure(
            code: note.code ?? "stage_failed", message: note.message,
            isRetryable: note.isRetryable ?? failure?.isRetryable ?? false, detail: detail)
    }

    private static func failure(of end: ProgramEnd, detail: String?) -> StageFailure? {
        switch end {
        case .exited(0): nil
        case .exited(let status):
            StageFailure(
                message: "the program exited with status \(status)",
                isRetryable: status == temporaryFailure || killed.contains(status), detail: detail)
        case .signaled(fileTooLarge, _): diskLimit(detail: detail)
        case .signaled(let signal, _):
            StageFailure(
                message: "the program was ended by \(SystemText.signal(signal))", isRetryable: true, detail: detail)
        case .unknown:
            StageFailure(
                message: "the supervisor of the program ended, so its result is unknown", isRetryable: true,
                detail: detail)
        }
    }

    /// The stage uses more disk than it may.
    static func diskLimit(_ reason: String = "a file of the stage is larger than its limit", detail: String?)
        -> StageFailure
    {
        StageFailure(code: "disk_limit", message: reason, isRetryable: false, detail: detail)
    }

    /// The program did not start.
    static func failure(of error: ProgramStartError) -> StageFailure {
        switch error {
        case .notExecutable(let text): StageFailure(code: "command_not_found", message: text, isRetryable: false)
        case .notConfined(let text): StageFailure(code: "not_confined", message: text, isRetryable: false)
        case .failed(let text): StageFailure(message: "the program did not start: \(text)", isRetryable: true)
        }
    }
}
