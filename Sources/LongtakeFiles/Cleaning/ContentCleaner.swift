public import Logging
public import LongtakeCore
import Synchronization

/// Removes content that no row refers to. A thin shell: ``RemovalState`` and ``CleaningRetry``
/// decide.
///
/// It checks when rows were deleted (``wake()``), when the store no longer keeps some content
/// (``ReleasedContent``), and at intervals, when it also removes expired rows. Once after its start
/// it compares all stored content with the rows, slowly. Content goes only if the store finds,
/// under its lock, that nothing keeps it and that no row refers to it. If the rows cannot be read,
/// or the outcome of a commit is unknown, it removes nothing.
public final class ContentCleaner: Sendable {
    private let store: any FileStore
    private let records: any FileRecords
    private let released: ReleasedContent
    private let settings: Settings
    private let clock: any Clock<Duration>
    private let wallClock: any WallClock
    private let logger: Logger
    private let removals = Mutex(RemovalState<CheckedContinuation<Void, Never>>())
    private let isExpiryDue = Mutex(true)
    private let checks: AsyncStream<Void>
    private let check: AsyncStream<Void>.Continuation

    /// How the cleaner works.
    public struct Settings: Hashable, Sendable {
        /// How long an `intermediate` artifact is kept after the end of its job
        /// (`storage.intermediate_hours`).
        public var intermediateLifetime: Duration
        /// The time between two checks for expired rows.
        public var interval: Duration
        /// The pause after each ``pageSize`` entries of the comparison.
        public var sweepPause: Duration
        /// Entries that are handled together.
        public var pageSize: Int

        /// The pause and the page let the comparison check about 640 entries a second, so that it
        /// takes little of the disk from the work.
        public init(
            intermediateLifetime: Duration = .seconds(24 * 3600), interval: Duration = .seconds(60),
            sweepPause: Duration = .milliseconds(100), pageSize: Int = 64
        ) {
            self.intermediateLifetime = intermediateLifetime
            self.interval = interval
            self.sweepPause = sweepPause
            self.pageSize = pageSize
        }
    }

    /// - Parameters:
    ///   - released: the same object to which the store adds.
    ///   - clock: measures delays.
    ///   - wallClock: the clock of the rows.
    public init(
        store: any FileStore, records: any FileRecords, released: ReleasedContent, settings: Settings = Settings(),
        clock: any Clock<Duration>, wallClock: any WallClock, logger: Logger
    ) {
        self.store = store
        self.records = records
        self.released = released
        self.settings = settings
        self.clock = clock
        self.wallClock = wallClock
        self.logger = logger
        // All elements are equal, so one in the buffer is enough.
        (checks, check) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Says that rows were deleted. It does not block.
    public func wake() { check.yield() }

    /// Stops all removals, and returns when none is running. Each call needs one ``resume()``.
    public func pause() async {
        await withCheckedContinuation { caller in
            removals.withLock { $0.pause(caller) }?.resume()
        }
    }

    /// Ends a ``pause()``.
    public func resume() {
        if removals.withLock({ $0.resume() }) { check.yield() }
    }

    /// Cleans until its task is cancelled or the rows are closed. Called once, after readiness.
    public func run() async {
        released.observe { [check] in check.yield() }
        check.yield()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.sweep() }
            group.addTask { await self.watchExpiry() }
            var retry = CleaningRetry()
            for await _ in checks {
                guard let delay = await pass(&retry) else { continue }
                group.addTask {
                    guard (try? await self.clock.sleep(for: delay)) != nil else { return }
                    self.check.yield()
                }
            }
            group.cancelAll()
        }
    }

    private func watchExpiry() async {
        while (try? await clock.sleep(for: settings.interval)) != nil {
            isExpiryDue.withLock { $0 = true }
            check.yield()
        }
    }
}

// MARK: - A pass

extension ContentCleaner {
    /// The removals are paused.
    private struct Paused: Error {}

    /// Removes everything that is unused now.
    /// - Returns: the time after which to try again; `nil` if all is done.
    private func pass(_ retry: inout CleaningRetry) async -> Duration? {
        do {
            try await removeReleased()
            try await removeUnused()
            try await removeExpired()
            if retry.succeeded() { logger.info("unused files are removed again") }
            return nil
        } catch is Paused {
            return nil
        } catch {
            return handle(error, &retry)
        }
    }

    /// - Returns: the time after which to try again; `nil` if it is of no use.
    private func handle(_ error: any Error, _ retry: inout CleaningRetry) -> Duration? {
        if Task.isCancelled || error is CancellationError { return nil }
        switch error {
        case JournalError.closed, JournalError.outcomeUnknown:
            // Only the next start knows which rows exist.
            check.finish()
            return nil
        default:
            let (delay, isNew) = retry.failed()
            if isNew {
                logger.warning(
                    "unused files cannot be removed; this is retried", metadata: ["error": "\(error)"])
            }
            return delay
        }
    }

    private func removeReleased() async throws {
        while case let keys = released.take(settings.pageSize), !keys.isEmpty {
            var open = Set(keys)
            do {
                let result = try await remove(keys) { open.remove($0) }
                if let failure = result.failure { throw failure }
            } catch {
                released.restore(open)
                throw error
            }
        }
    }

    private func removeUnused() async throws {
        while case let keys = try await records.unusedContent(limit: settings.pageSize), !keys.isEmpty {
            try Task.checkCancellation()
            var done: [ContentKey] = []
            let result = try await remove(keys) { done.append($0) }
            // Kept content is forgotten too: the store says when nothing keeps it any more.
            try await records.checked(done)
            // The last row of content may have gone between the question and `checked`.
            for key in result.used where try await !records.isUsed(key) { released.add(key) }
            if let failure = result.failure { throw failure }
        }
    }

    /// Tries to remove each of the keys. If the store fails for one, it goes on with the others.
    /// - Parameter whenDone: called for each key for which the store did not fail.
    private func remove(
        _ keys: [ContentKey], _ whenDone: (ContentKey) -> Void
    ) async throws -> (used: [ContentKey], failure: FileStoreError?) {
        var used: [ContentKey] = []
        var failure: FileStoreError?
        for key in keys {
            do {
                if try await remove(key) == .used { used.append(key) }
                whenDone(key)
            } catch let error as FileStoreError {
                failure = error
            }
        }
        return (used, failure)
    }

    private func removeExpired() async throws {
        guard isExpiryDue.withLock({ $0 }) else { return }
        let end = wallClock.steady().advanced(by: .zero - settings.intermediateLifetime)
        while try await records.removeExpired(intermediatesOfJobsEndedBefore: end) { try Task.checkCancellation() }
        isExpiryDue.withLock { $0 = false }
        try await removeUnused()
    }

    /// What became of content that may be unused.
    private enum Removal { case gone, used, kept }

    private func remove(_ key: ContentKey) async throws -> Removal {
        guard removals.withLock({ $0.begin() }) else { throw Paused() }
        defer { for caller in removals.withLock({ $0.end() }) { caller.resume() } }
        let isUsed = Mutex(false)
        let isGone = try await store.remove(key) { [records] in
            let answer = try await records.isUsed(key)
            isUsed.withLock { $0 = answer }
            return !answer
        }
        return isGone ? .gone : isUsed.withLock { $0 } ? .used : .kept
    }
}

// MARK: - The comparison with the rows

extension ContentCleaner {
    /// Compares all stored content with the rows once, and again after content was forgotten.
    private func sweep() async {
        var retry = CleaningRetry()
        while !Task.isCancelled {
            do {
                released.takeIncompleteness()
                let removed = try await sweepOnce()
                if removed > 0 { logger.info("removed files that no row refers to", metadata: ["files": "\(removed)"]) }
                if retry.succeeded() { logger.info("stored files were compared with the rows") }
                repeat { try await clock.sleep(for: settings.interval) } while !released.isIncomplete
            } catch is Paused {
                // A backup is running. Begin again later.
                guard (try? await clock.sleep(for: settings.interval)) != nil else { return }
            } catch {
                guard let delay = handle(error, &retry), (try? await clock.sleep(for: delay)) != nil else { return }
            }
        }
    }

    /// If the store fails for some content, it goes on with the rest and throws at the end.
    /// - Returns: how many entries it removed.
    private func sweepOnce() async throws -> Int {
        var (seen, removed) = (0, 0)
        var failure: FileStoreError?
        for try await (key, _) in store.list() {
            do {
                if try await remove(key) == .gone { removed += 1 }
            } catch let error as FileStoreError {
                failure = error
            }
            seen += 1
            if seen.isMultiple(of: settings.pageSize) { try await clock.sleep(for: settings.sweepPause) }
        }
        if let failure { throw failure }
        return removed
    }
}
