import ArgumentParser
import Logging
import LongtakeCore
import LongtakeDaemonDriver
import LongtakeEngine
import LongtakeHTTP
import LongtakeTesting
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import longtake

/// The daemon without its process: the server, the engine and the shipped pipelines, on a store in
/// memory. It takes the flags and variables of the real daemon and listens on a free port.
///
/// It has no disk, no signals and no log output. ``DaemonProcess`` is for tests of those.
final class LocalDaemon: TestDaemon {
    let port: Int
    private let clock = SystemClock()
    let journal: MemoryJournal
    /// The bytes of files and artifacts.
    let files = MemoryFileStore()
    let stageLogs = MemoryStageLogs()
    private let engine: Engine
    private let loops: MultiThreadedEventLoopGroup
    private let server: HTTPServer
    private let lines = MemoryLog()
    private let keys = KeyRing()
    private let records = Mutex<[KeyRecord]>([])
    private let shutdown = Mutex<Task<Bool, Never>?>(nil)

    /// Runs a test with a daemon, outside the thread pool of all tests. When it returns, all parts
    /// of the daemon have ended.
    /// - Parameters:
    ///   - arguments: flags of `longtake serve`, such as `--speed`.
    ///   - environment: variables, such as `LONGTAKE_QUEUES_CPU_WORKERS=0`.
    static func run<Value: Sendable>(
        _ arguments: String..., environment: [String] = [],
        _ body: @escaping @Sendable (LocalDaemon) throws -> Value
    ) async throws -> Value {
        let daemon = try await LocalDaemon(arguments, environment)
        let result: Result<Value, any Error>
        do {
            result = .success(try await onOwnThread { try body(daemon) })
        } catch {
            result = .failure(error)
        }
        guard await daemon.shutDown() else { throw DidNotStop() }
        return try result.get()
    }

    /// A request or a stream still ran some seconds after the shutdown began.
    struct DidNotStop: Error {}

    private init(_ arguments: [String], _ environment: [String]) async throws {
        let loaded = try Self.settings(arguments, environment)
        let (settings, clock) = (loaded.settings, clock)
        let startedAt = clock.now()
        let logger = lines.logger(level: settings.log.level)
        _ = Self.descriptors
        journal = MemoryJournal(clock: clock, queuedJobsPerTenant: settings.limits.queuedJobsPerTenant)
        let engine = settings.makeEngine(journal, clock: clock, logger: logger)
        self.engine = engine
        let signing = SigningKey(at: startedAt, random: KeyFile.Content.random)
        var configuration = settings.serverConfiguration(keys, TicketSigner([signing]))
        configuration.addresses = [.tcp(host: "127.0.0.1", port: 0)]
        configuration.abandonedAttempts = { engine.abandonedAttempts }
        configuration.process = { OwnProcess.usage(startedAt: startedAt) }
        let files = files
        configuration.files = files
        configuration.stageLogs = stageLogs
        configuration.uploadLimits = UploadLimits(fileBytes: 1 << 20, bytesPerTenant: 2 << 20)
        configuration.space = SpaceGate(
            SpaceBudget(floor: 1 << 30, maximum: 0), free: { () throws(FileStoreError) in try files.freeBytes },
            used: { 0 })
        // Two, so that an event reaches streams of several loops.
        loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        server = HTTPServer(
            configuration: configuration, group: loops, journal: journal, backups: MemoryBackups(clock: clock),
            catalog: loaded.catalog, clock: clock, logger: logger)
        do {
            let address = try await server.start()
            port = try #require(address.first?.split(separator: ":").last.flatMap { Int($0) })
        } catch {
            try? await loops.shutdownGracefully()
            throw error
        }
        engine.start()
    }

    /// The settings that tests have loaded, by flags and variables. Parsing takes longer than the
    /// rest of a start.
    private static let loaded = Mutex<[[String]: LoadedSettings]>([:])

    private static func settings(_ arguments: [String], _ environment: [String]) throws -> LoadedSettings {
        let key = arguments + environment
        if let known = loaded.withLock({ $0[key] }) { return known }
        let variables = environment.map { $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false) }
        let new = try LoadedSettings.load(
            flags: try SettingsOptions.parse(arguments),
            environment: Dictionary(uniqueKeysWithValues: variables.map { (String($0[0]), String($0[1])) }))
        loaded.withLock { $0[key] = new }
        return new
    }

    /// Both ends of all connections are in this process, so it needs more descriptors than a shell
    /// allows by default.
    private static let descriptors = DescriptorLimit.raise()

    var log: String { lines.text }

    func connect(receiveBuffer: CInt?) throws -> Socket { try Socket(port: port, receiveBuffer: receiveBuffer) }

    func createKey(tenant: String, rights: String) throws -> String {
        let names = rights.split(separator: ",").compactMap { Right(rawValue: String($0)) }
        let key = APIKey(random: KeyFile.Content.random)
        let record = KeyRecord(
            key, tenant: try #require(TenantName(tenant)), rights: names, name: "", at: clock.now())
        let all = records.withLock { records in
            records.append(record)
            return records
        }
        keys.replace(with: all)
        server.keysChanged()
        return key.text
    }

    func stop() -> CInt? { blockingly { await self.shutDown() ? 0 : 1 } }

    // MARK: Shutdown

    /// How long one part of the shutdown may take.
    private static let patience = Duration.seconds(10)

    /// Ends all parts. Only the first call has an effect, and all calls wait for it.
    /// - Returns: whether all tasks have ended.
    private func shutDown() async -> Bool {
        let task = shutdown.withLock { shutdown in
            // Unstructured, because several callers wait for it.
            let task = shutdown ?? Task { await self.endParts() }
            shutdown = task
            return task
        }
        return await task.value
    }

    /// The order is that of ``HTTPServer`` and of the real daemon.
    private func endParts() async -> Bool {
        server.beginDrain()
        await engine.drain(deadline: Self.patience)
        await server.finishStreams(within: Self.patience)
        await server.stop()
        let isClosed = (try? await journal.close()) != nil
        let hasEnded = await server.finishTasks(within: Self.patience)
        let areLoopsEnded = (try? await loops.shutdownGracefully()) != nil
        return isClosed && hasEnded && areLoopsEnded
    }
}
