import Testing

@testable import longtake

@Suite("variables of Kubernetes Services")
struct KubernetesVariableTests {
    @Test(
        "are recognized, and other variables are not",
        arguments: [
            // A Service `longtake` with a port 80, one named `web` and one of UDP.
            ("LONGTAKE_SERVICE_HOST", "10.0.0.1", true), ("LONGTAKE_SERVICE_PORT", "80", true),
            ("LONGTAKE_SERVICE_PORT_WEB", "80", true), ("LONGTAKE_PORT", "tcp://10.0.0.1:80", true),
            ("LONGTAKE_PORT_80_TCP", "tcp://10.0.0.1:80", true), ("LONGTAKE_PORT_80_TCP_PROTO", "tcp", true),
            ("LONGTAKE_PORT_80_TCP_PORT", "80", true), ("LONGTAKE_PORT_80_TCP_ADDR", "10.0.0.1", true),
            ("LONGTAKE_PORT_53_UDP", "udp://10.0.0.1:53", true), ("LONGTAKE_PORT_9_SCTP_ADDR", "10.0.0.1", true),
            // Services `longtake-http` and `longtake-gpu-2`.
            ("LONGTAKE_HTTP_PORT", "tcp://10.0.0.1:80", true), ("LONGTAKE_HTTP_PORT", "udp://[fd00::1]:80", true),
            ("LONGTAKE_HTTP_SERVICE_HOST", "fd00::1", true), ("LONGTAKE_HTTP_SERVICE_PORT_ADMIN_2", "81", true),
            ("LONGTAKE_HTTP_PORT_80_TCP_PORT", "80", true), ("LONGTAKE_GPU_2_PORT_443_TCP", "tcp://10.0.0.1:443", true),
            ("LONGTAKE_HTTP_PORT", "abc", false), ("LONGTAKE_HTTP_PORT", "8080", false),
            ("LONGTAKE_HTTP_PORT", "", false),
            ("LONGTAKE_HTTP_PORT", "http://10.0.0.1:80", false), ("LONGTAKE_PORT", "8080", false),
            ("LONGTAKE_HTTP_HOST", "tcp://10.0.0.1:80", false), ("LONGTAKE_PORT_80", "tcp://10.0.0.1:80", false),
            ("LONGTAKE_PORT_HTTP_TCP", "tcp://10.0.0.1:80", false), ("LONGTAKE_PORT_0_TCP", "tcp://10.0.0.1:0", false),
            ("LONGTAKE_PORT_80_TCP_NAME", "x", false), ("LONGTAKE_80_TCP", "x", false),
            ("LONGTAKE_SERVICE", "x", false),
            ("LONGTAKE_SERVICE_HOSTS", "x", false), ("LONGTAKE_SERVICE_PORTS", "80", false),
            ("LONGTAKE_SERVICE_PORT_", "80", false), ("LONGTAKE_SERVICE_PORT_web", "80", false),
            ("LONGTAKE_HTTP_PROT", "8080", false),
        ])
    func injected(_ name: String, _ value: String, _ isInjected: Bool) {
        #expect(KubernetesVariable.isInjected(name, value) == isInjected)
    }

    @Test("never include the variable of a setting")
    func settings() {
        for key in SettingsKey.all {
            let name = "LONGTAKE_" + key.name.replacing(".", with: "_").uppercased()
            #expect(!KubernetesVariable.isInjected(name, key.show(Settings())), "\(name)")
        }
    }
}
