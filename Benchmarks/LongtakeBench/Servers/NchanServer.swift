import Glibc
import NIOCore
import Synchronization

/// nginx with the nchan module. The driver publishes events with POST requests on one persistent
/// connection, and nchan sends them to all watchers.
struct NchanServer: FanoutServer {
    let port: Int
    let meter: ProcessMeter
    private let process: ChildProcess
    private let scratch: ScratchDirectory
    private let publisher: NchanPublisher

    var request: StreamRequest { StreamRequest(job: 0, path: "/sub") }

    /// Starts nginx, and waits until its workers accept connections.
    /// - Parameter rate: the number of events to publish per second.
    static func start(workers: Int, rate: Double, messageBytes: Int, in directory: String) async throws -> NchanServer {
        let (nginx, module) = try installation()
        let scratch = try ScratchDirectory(in: directory)
        let port = try FreePort.find()
        try scratch.write(
            configuration(workers: workers, port: port, module: module, directory: scratch.path), to: "nginx.conf")
        let process = try ChildProcess(
            nginx, ["-p", scratch.path, "-c", scratch.path + "/nginx.conf", "-e", "stderr"])
        // nginx listens on its port before it starts the workers.
        _ = try await process.awaitOutput(within: 10) { output -> Bool? in
            let started = output.split(separator: "\n").filter { $0.contains("start worker process ") }
            return started.count == workers ? true : nil
        }
        return NchanServer(
            port: port, meter: ProcessMeter(processes: ProcessTable.children(of: process.id)), process: process,
            scratch: scratch,
            publisher: NchanPublisher(port: port, rate: rate, sample: SampleEvent(messageBytes: messageBytes)))
    }

    func begin(for group: WatcherGroup) async throws { try await publisher.begin(for: group) }

    func stop() async throws {
        publisher.stop()
        try await process.stop(gracefully: true)
        scratch.remove()
    }

    /// - Throws: an error that names the packages to install, if a file is missing.
    private static func installation() throws -> (nginx: String, module: String) {
        let servers = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]
        let modules = ["/usr/lib/nginx/modules", "/usr/share/nginx/modules"].map { $0 + "/ngx_nchan_module.so" }
        guard let nginx = servers.first(where: { access($0, X_OK) == 0 }),
            let module = modules.first(where: { access($0, R_OK) == 0 })
        else {
            throw BenchFailure(
                "--peer nchan needs nginx with nchan. Install it: apt-get install nginx-light libnginx-mod-nchan")
        }
        return (nginx, module)
    }

    private static func configuration(workers: Int, port: Int, module: String, directory: String) -> String {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "    \($0)_temp_path \(directory)/\($0);" }.joined(separator: "\n")
        return """
            load_module \(module);
            daemon off;
            \(geteuid() == 0 ? "user root;" : "")
            pid \(directory)/nginx.pid;
            error_log stderr notice;
            worker_processes \(workers);
            worker_rlimit_nofile \(DescriptorLimit.raise());
            events { worker_connections 20000; }
            http {
                access_log off;
                tcp_nodelay on;
                keepalive_requests 1000000000;
                keepalive_timeout 3600s;
            \(temporary)
                server {
                    listen 127.0.0.1:\(port) backlog=4096;
                    location = /pub {
                        nchan_publisher;
                        nchan_channel_id bench;
                        nchan_message_buffer_length 1000;
                        nchan_message_timeout 10m;
                    }
                    location = /sub {
                        nchan_subscriber eventsource;
                        nchan_channel_id bench;
                        nchan_subscriber_first_message newest;
                        nchan_eventsource_ping_interval 15;
                    }
                }
            }

            """
    }
}

/// Publishes sample events at a fixed rate, and records the time of each publication. It runs on
/// the watchers' event loop.
private final class NchanPublisher: Sendable {
    private let port: Int
    private let rate: Double
    private let sample: SampleEvent
    private let isStopped = Atomic(false)

    init(port: Int, rate: Double, sample: SampleEvent) {
        self.port = port
        self.rate = rate
        self.sample = sample
    }

    func begin(for group: WatcherGroup) async throws {
        let connection = try await HTTPConnection.open(port: port, on: WatcherGroup.loop)
        WatcherGroup.loop.execute { self.publish(1, at: .now(), on: connection, for: group) }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// Publishes one event, and schedules the next one by its due time, so that delays do not add
    /// up.
    private func publish(
        _ sequence: UInt64, at due: NIODeadline, on connection: HTTPConnection, for group: WatcherGroup
    ) {
        guard !isStopped.load(ordering: .relaxed) else { return }
        let now = WallTime.microseconds()
        let request = HTTPConnection.post(
            "/pub", sample.json(sequence, at: now), fields: "X-EventSource-Event: stage.progress\r\n")
        group.update { $0.published(sequence, now) }
        connection.send(request).whenComplete { result in
            guard !self.isStopped.load(ordering: .relaxed) else { return }
            switch result {
            case .success(let response) where (200..<300).contains(response.status): break
            case .success(let response): group.update { $0.failed("a publication received status \(response.status)") }
            case .failure(let error): group.update { $0.failed("a publication failed: \(error)") }
            }
        }
        let next = due + .nanoseconds(Int64(1e9 / rate))
        WatcherGroup.loop.scheduleTask(deadline: next) {
            self.publish(sequence + 1, at: next, on: connection, for: group)
        }
    }
}

/// Ports of the loopback address, for a server that cannot choose a free port itself.
enum FreePort {
    /// - Returns: a port on which no server listens.
    static func find() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard isBound else { throw BenchFailure("cannot find a free port: \(String(cString: strerror(errno)))") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
