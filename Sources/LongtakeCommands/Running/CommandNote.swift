package import LongtakeCore

/// What a run of a command tells a person who watches it, besides its ``StageReports``.
package enum CommandNote: Hashable, Sendable {
    /// The program is about to start.
    /// - Parameters:
    ///   - arguments: the program and its arguments, with all placeholders replaced.
    ///   - directory: the working directory.
    ///   - document: the content of `stage.json`.
    case starting(arguments: [String], directory: String, document: [UInt8])
    /// Lines of the stage's log, each with its line end. They are UTF-8 without control characters.
    case log([UInt8])
    /// The program has announced a result, and the store has it. It becomes an artifact when the
    /// stage succeeds.
    case result(name: String, type: String)
    /// The program has sent an output.
    case output(JSONValue)
    /// The program has sent an error. `isRetryable` is `nil` if the exit status decides.
    case error(code: String, message: String, isRetryable: Bool?)
    /// The program has ended.
    /// - Parameter how: words such as `exit status 1`.
    case ended(how: String)
}

/// Receives notes in the order in which things happened. It must not wait.
package typealias CommandWitness = @Sendable (CommandNote) -> Void

extension ProgramEnd {
    /// How the program ended, for people.
    var words: String {
        switch self {
        case .exited(let status): "exit status \(status)"
        case .signaled(let signal, let isStopped):
            isStopped ? "\(SystemText.signal(signal)) after the stop" : "\(SystemText.signal(signal))"
        case .unknown: "unknown, because the supervisor ended"
        }
    }
}
