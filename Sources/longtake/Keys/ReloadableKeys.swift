import Dispatch
import Logging
import LongtakeCore
import LongtakeHTTP

/// The keys of a running daemon: those of the file as it was read last.
struct KeyKeeper: Sendable {
    let keys = KeyRing()
    let tickets = TicketSigner()
    private let path: String
    private let mode: AccessMode
    private let clock: any WallClock
    private let logger: Logger
    private let queue = DispatchQueue(label: "longtake.keys")

    init(path: String, mode: AccessMode, clock: any WallClock, logger: Logger) {
        self.path = path
        self.mode = mode
        self.clock = clock
        self.logger = logger
    }

    /// Reads the file, and makes a first secret for signing tickets where there is none.
    /// - Throws: ``KeyFile/Failure`` where the file is there and cannot be read: a daemon that knows no keys lets nobody in.
    func load() throws {
        let file = KeyFile(path: path)
        var content = try file.read()
        if content.signingKeys.isEmpty {
            do {
                content = try file.update { content in
                    if content.signingKeys.isEmpty { content.rotate(at: clock.now(), keepingOld: true) }
                    return content
                }
            } catch {
                content.rotate(at: clock.now(), keepingOld: true)
                logger.warning(
                    "the secret for signing tickets cannot be stored, so tickets are good until the next start only",
                    metadata: ["error": "\(error)"])
            }
        }
        use(content, file)
        if mode == .keys, keys.count == 0 {
            logger.warning(
                "there is no API key yet; make one with: longtake keys create", metadata: ["file": "\(path)"])
        }
    }

    /// Reads the file again. Where that is not possible what was read before stays in force.
    func reload() async {
        // A disk that does not answer would hold up a thread of the cooperative pool.
        await withCheckedContinuation { caller in
            queue.async {
                reloadBlocking()
                caller.resume()
            }
        }
    }

    private func reloadBlocking() {
        do {
            let file = KeyFile(path: path)
            let content = try file.read()
            guard !content.signingKeys.isEmpty || content.keys.isEmpty && keys.count == 0 else {
                throw KeyFile.Failure(
                    description: "\(path): has nothing to sign tickets with; longtake keys rotate makes it")
            }
            use(content, file)
            logger.notice("the keys were read again", metadata: ["keys": "\(keys.count)"])
        } catch {
            logger.error("the keys were not read again, so revoked ones still open", metadata: ["error": "\(error)"])
        }
    }

    private func use(_ content: KeyFile.Content, _ file: KeyFile) {
        keys.replace(with: content.keys)
        if !content.signingKeys.isEmpty { tickets.replace(with: content.signingKeys) }
        if file.isOpenToOthers {
            logger.warning("others than its owner may read the file of the keys", metadata: ["file": "\(path)"])
        }
    }
}
