import Dispatch
import Logging
import LongtakeCore
import LongtakeHTTP

/// The API keys and ticket secrets of a running daemon. They are loaded from the key file at
/// startup and at SIGHUP.
struct ReloadableKeys: Sendable {
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

    /// Loads the file. If it contains no secret for signing tickets, a first one is created.
    /// - Throws: ``KeyFile/Failure`` if the file exists but cannot be read or is invalid. Without
    ///   its keys the daemon would reject every client.
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
                    "cannot store the secret for signing tickets; tickets are valid only until the next start",
                    metadata: ["error": "\(error)"])
            }
        }
        use(content, file)
        if mode == .keys, keys.count == 0 {
            logger.warning(
                "there is no API key yet, so the daemon rejects every client; create one with: longtake keys create",
                metadata: ["file": "\(path)"])
        }
    }

    /// Reloads the file. If that fails, the previous keys stay active.
    func reload() async {
        // A disk that does not respond would block a thread of the cooperative pool.
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
                    description:
                        "\(path) contains no secret for signing tickets. Create one with: longtake keys rotate")
            }
            use(content, file)
            logger.notice("reloaded the API keys", metadata: ["keys": "\(keys.count)"])
        } catch {
            logger.error(
                "cannot reload the API keys; the previous keys stay active, including revoked ones",
                metadata: ["error": "\(error)"])
        }
    }

    private func use(_ content: KeyFile.Content, _ file: KeyFile) {
        keys.replace(with: content.keys)
        if !content.signingKeys.isEmpty { tickets.replace(with: content.signingKeys) }
        if file.isOpenToOthers {
            logger.warning("other users may read the key file", metadata: ["file": "\(path)"])
        }
    }
}
