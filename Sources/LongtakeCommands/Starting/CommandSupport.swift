internal import CLongtakeProcess
import Glibc

/// What this machine offers for confining commands.
package struct CommandSupport: Hashable, Sendable {
    /// The version of Landlock's ABI; 0 if there is none.
    package let landlockABI: Int
    /// Why commands cannot be confined; `nil` if they can.
    package let problem: String?

    /// Whether commands can be confined to their directories.
    package var canConfine: Bool { problem == nil }

    /// Whether a confined command can neither signal processes outside nor connect to their
    /// abstract sockets (ABI 6, Linux 6.12). Without this, a command can kill its supervisor. Then
    /// the daemon kills the command.
    package var scopesSignals: Bool { landlockABI >= 6 }

    /// Whether a confined command cannot truncate files that it may not write (ABI 3, Linux 6.2).
    package var refusesTruncation: Bool { landlockABI >= 3 }

    package init(landlockABI: Int, problem: String?) {
        self.landlockABI = landlockABI
        self.problem = problem
    }

    /// Makes a ruleset as for a command. Nothing is confined by that.
    package static func probe() -> CommandSupport {
        let abi = Int(longtake_landlock_abi())
        let none = ProgramLaunch.Confinement(isEnforced: true, readPaths: [], writePaths: [])
        do throws(ProgramStartError) {
            close(try ConfinementRules(none, workingDirectory: "/").makeRuleset())
            return CommandSupport(landlockABI: abi, problem: nil)
        } catch {
            guard case .notConfined(let reason) = error else {
                return CommandSupport(landlockABI: abi, problem: "\(error)")
            }
            return CommandSupport(landlockABI: abi, problem: reason)
        }
    }
}
