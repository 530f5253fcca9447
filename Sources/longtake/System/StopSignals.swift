import Dispatch
import Glibc
import Synchronization

/// SIGTERM and SIGINT: the first asks for an orderly stop, a second one ends the process at once.
final class StopSignals {
    private let sources: [any DispatchSourceSignal]

    /// From here on the signals are ours; SIGPIPE does nothing.
    /// - Parameters:
    ///   - first: called once, with the signal's number.
    ///   - hangUp: called at each SIGHUP, which ends nothing.
    init(first: @escaping @Sendable (CInt) -> Void, hangUp: @escaping @Sendable () -> Void) {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        let queue = DispatchQueue(label: "longtake.signals")
        let hasSeen = Mutex(false)
        let hangUps = DispatchSource.makeSignalSource(signal: SIGHUP, queue: queue)
        hangUps.setEventHandler(handler: hangUp)
        hangUps.resume()
        let stops = [SIGTERM, SIGINT].map { number -> any DispatchSourceSignal in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                let isSecond = hasSeen.withLock { hasSeen in
                    defer { hasSeen = true }
                    return hasSeen
                }
                if isSecond { _exit(128 + number) }
                first(number)
            }
            source.resume()
            return source
        }
        sources = stops + [hangUps]
    }
}
