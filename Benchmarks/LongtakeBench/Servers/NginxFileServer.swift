import Glibc

/// nginx as a server of files: `GET /NAME` sends one, `PUT /NAME` stores one (its dav module).
struct NginxFileServer: Sendable {
    let port: Int
    let meter: ProcessMeter
    private let process: ChildProcess
    private let scratch: ScratchDirectory

    /// Starts nginx, and waits until its workers accept connections.
    static func start(workers: Int, in directory: String) async throws -> NginxFileServer {
        let servers = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]
        guard let nginx = servers.first(where: { access($0, X_OK) == 0 }) else {
            throw BenchFailure("files needs nginx with its dav module. Install it: apt-get install nginx-full")
        }
        let scratch = try ScratchDirectory(in: directory)
        let port = try FreePort.find()
        try scratch.write(configuration(workers, port, scratch.path), to: "nginx.conf")
        guard mkdir(scratch.path + "/files", 0o755) == 0 else {
            throw BenchFailure("cannot create a directory in \(scratch.path)")
        }
        let process = try ChildProcess(
            nginx, ["-p", scratch.path, "-c", scratch.path + "/nginx.conf", "-e", "stderr"])
        // nginx listens on its port before it starts the workers.
        _ = try await process.awaitOutput(within: 10) { output -> Bool? in
            let started = output.split(separator: "\n").filter { $0.contains("start worker process ") }
            return started.count == workers ? true : nil
        }
        return NginxFileServer(
            port: port, meter: ProcessMeter(processes: ProcessTable.children(of: process.id)), process: process,
            scratch: scratch)
    }

    /// Syncs a stored file and its directory, as the daemon does before it answers.
    func sync(_ name: String) throws {
        for path in ["\(scratch.path)/files/\(name)", "\(scratch.path)/files"] {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw BenchFailure("nginx has not stored \(path)") }
            defer { close(descriptor) }
            guard fsync(descriptor) == 0 else { throw BenchFailure("cannot sync \(path)") }
        }
    }

    func stop() async throws {
        try await process.stop(gracefully: true)
        scratch.remove()
    }

    private static func configuration(_ workers: Int, _ port: Int, _ directory: String) -> String {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "    \($0)_temp_path \(directory)/\($0);" }.joined(separator: "\n")
        return """
            daemon off;
            \(geteuid() == 0 ? "user root;" : "")
            pid \(directory)/nginx.pid;
            error_log stderr notice;
            worker_processes \(workers);
            events { worker_connections 4096; }
            http {
                access_log off;
                sendfile on;
                tcp_nopush on;
                client_max_body_size 0;
            \(temporary)
                server {
                    listen 127.0.0.1:\(port) backlog=4096;
                    location / {
                        root \(directory)/files;
                        dav_methods PUT;
                    }
                }
            }

            """
    }
}
