import ArgumentParser
import LongtakeCommands

/// `longtake supervise NONCE`, which the daemon starts for each program. ``EntryPoint`` runs it
/// before the command line is parsed.
struct Supervise: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs one program for the daemon. The daemon starts this command itself.", shouldDisplay: false)

    @Argument var nonce: String

    func run() throws { throw ExitCode(Supervisor.run(nonce: nonce)) }
}
