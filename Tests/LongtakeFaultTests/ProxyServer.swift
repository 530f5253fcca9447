import FoundationEssentials
import Glibc
import LongtakeDaemonDriver

/// A real nginx in front of a daemon, as on a web site. It has no settings for streams.
final class ProxyServer {
    static let binary = "/usr/sbin/nginx"
    static let isInstalled = access(binary, X_OK) == 0

    struct DidNotStart: Error { let log: String }

    let port: Int
    private let directory: String
    private var pid: pid_t = 0

    /// - Parameters:
    ///   - version: the HTTP version towards the daemon; `nil` for nginx's default, which is 1.0.
    ///   - path: the prefix of the paths that nginx forwards.
    ///   - patience: the timeout for a client that does not send its whole request.
    init(to upstream: Int, version: String? = nil, path: String = "/v1/", patience: String = "60s") throws {
        port = try DaemonProcess.freePort()
        directory = try DaemonProcess.temporaryDirectory()
        let setting = version.map { "proxy_http_version \($0); proxy_set_header Connection '';" } ?? ""
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \($0);" }.joined()
        // A short form of the recipe in docs/operations.md.
        let text = """
            daemon off;
            master_process off;
            pid nginx.pid;
            error_log error.log;
            events {}
            http {
                access_log off;
                \(temporary)
                upstream daemon { server 127.0.0.1:\(upstream); keepalive 2; }
                server {
                    listen 127.0.0.1:\(port);
                    client_header_timeout \(patience);
                    client_body_timeout \(patience);
                    location \(path) {
                        proxy_pass http://daemon;
                        proxy_set_header Host 127.0.0.1:\(upstream);
                        proxy_read_timeout 60s;
                        \(setting)
                        error_page 502 503 504 =200 @reconnect;
                    }
                    location @reconnect { default_type text/event-stream; return 200 "retry: 2000\\n\\n"; }
                }
            }
            """
        try text.write(toFile: directory + "/nginx.conf", atomically: false, encoding: .utf8)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, mode) in [(CInt(0), O_RDONLY), (1, O_WRONLY), (2, O_WRONLY)] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", mode, 0)
        }
        pid = try DaemonProcess.spawn(
            path: Self.binary, [Self.binary, "-p", directory, "-c", "nginx.conf", "-e", "error.log"], [], &actions)
        let port = port
        guard ProcessUsage.wait(upTo: 10, until: { (try? Socket(port: port)) != nil }) else {
            let log = (try? String(contentsOfFile: directory + "/error.log", encoding: .utf8)) ?? ""
            throw DidNotStart(log: log)
        }
    }

    deinit {
        if pid > 0 {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Opens a stream through the proxy.
    func stream(_ path: String, after cursor: String? = nil) throws -> EventReader {
        let field = cursor.map { "Last-Event-ID: \($0)\r\n" } ?? ""
        return try EventReader(
            Socket(port: port), "GET \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\(field)\r\n")
    }
}
