package edge

// Address is where clients look for the edge. No option of theirs moves it.
const Address = "127.0.0.1:443"

// Ways says how a program that may not listen on Address comes to answer there, on an
// operating system named as Go does: a line for each way.
func Ways(system string) string {
	switch system {
	case "linux":
		return `  sudo setcap cap_net_bind_service=+ep "$(command -v nearside)"
  sudo sysctl net.ipv4.ip_unprivileged_port_start=443
  nearside serve --workers-edge=127.0.0.1:8443, and: sudo iptables -t nat -A OUTPUT -p tcp -d 127.0.0.1 --dport 443 -j REDIRECT --to-ports 8443`
	case "darwin": // which lets everybody have the port on all addresses, and root alone on one
		return `  nearside serve --workers-edge=0.0.0.0:443, which other machines can reach, too; without a session they are refused`
	}
	return `  nearside serve --workers-edge=127.0.0.1:8443, and port 443 redirected to it`
}
