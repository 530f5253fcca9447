/// Ends a command stage that seems to crash the daemon.
///
/// A crash is usually not the fault of the work, so it uses up no attempt. But a stage whose every
/// run ends with a crash of the daemon would be taken up for ever. So a command stage fails if it
/// was recovered from ``limit`` crashes in a row without writing anything between them: no report,
/// no checkpoint and no artifact. Simulated stages cannot crash the daemon, and remote stages run
/// elsewhere.
public enum CrashLoop {
    /// The crashes after which the stage fails. The daemon makes no further claim.
    public static let limit = 10

    /// The command that ends the claim of a holder that is gone: to recover the stage, or to fail
    /// it.
    static func recovery(of facts: JobFacts) -> JobCommand {
        guard facts.life.phase == .executing, crashes(after: .recover, on: facts) >= limit else { return .recover }
        return .fail(
            JobError(
                code: "crash_loop",
                message: "the daemon ended \(limit) times in a row while this stage ran and had written nothing",
                stage: facts.stage.name))
    }

    /// The value of ``JobFacts/silentCrashes`` after a command that was granted.
    static func crashes(after command: JobCommand, on facts: JobFacts) -> Int {
        switch command {
        case .claim: facts.silentCrashes
        case .recover where facts.stage.work.kind == .command && facts.life.phase == .executing:
            facts.silentCrashes + 1
        case .recover: facts.silentCrashes
        // Each of them writes something.
        case .report, .register, .succeed, .retry, .fail, .interrupt, .cancel: 0
        }
    }
}
