package command_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"nearside/edge"
)

// aloneMark is in the environment of a test binary that has a network of its own.
const aloneMark = "NEARSIDE_TEST_ALONE"

// capNetBindService and capNetAdmin are capabilities(7): to open port 443, and to bring loopback up.
const (
	capNetBindService = 10
	capNetAdmin       = 12
)

// alone runs the test binary once more, in a network namespace that has loopback
// only: whatever a client tries to reach outside, it cannot. There port 443 is free,
// and may be opened. Everything that the tests start is inside, too. It returns the
// exit code of that run, or false if this is that run already.
//
// Only root makes such a namespace without more. Others get a user namespace around
// it, in which they are who they are and have the two capabilities above.
func alone() (code int, ran bool, err error) {
	if os.Getenv(aloneMark) != "" {
		return 0, false, loopbackUp()
	}
	again, err := os.Executable()
	if err != nil {
		return 0, false, err
	}
	runtime.LockOSThread() // the child is to end with its parent, and the kernel counts the thread as that
	defer runtime.UnlockOSThread()
	cmd := exec.Command(again, os.Args[1:]...)
	cmd.Env = append(os.Environ(), aloneMark+"=yes")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{capNetBindService, capNetAdmin}
	}
	if err := cmd.Start(); err != nil {
		return 0, false, fmt.Errorf("the kernel refuses a network namespace, without which real clients could reach the network: %w; run the tests as root, or allow it: sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 (in a container: --cap-add SYS_ADMIN, or a seccomp profile that allows clone)", err)
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode(), true, nil
	}
	return 0, true, err
}

// loopbackUp brings up 127.0.0.1 and ::1, which are down in a new namespace.
func loopbackUp() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(socket) }() // nothing was written
	request := struct {                          // ifreq, see netdevice(7)
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("bring loopback up in the network namespace of the tests: %w", errno)
	}
	return nil
}

// TestRealClientsHaveNoWayOut is the proof that what the others start reaches this machine only.
func TestRealClientsHaveNoWayOut(t *testing.T) {
	clientsDir(t)
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(interfaces) != 1 || interfaces[0].Flags&net.FlagLoopback == 0 || interfaces[0].Flags&net.FlagUp == 0 {
		t.Errorf("the tests run with the interfaces %v, want loopback only, and up", interfaces)
	}
	for _, public := range []string{"1.1.1.1:443", "104.16.124.96:80", "[2606:4700:4700::1111]:443"} {
		connection, err := net.DialTimeout("tcp", public, time.Minute)
		if err == nil {
			_ = connection.Close() // nothing was written
		}
		if !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("a call to %s: %v, want that the network is unreachable, at once", public, err)
		}
	}
	for _, own := range []string{edge.Address, "[::1]:443"} {
		l, err := net.Listen("tcp", own)
		if err != nil {
			t.Errorf("port 443, which is for --workers-edge: %v", err)
			continue
		}
		_ = l.Close() // nobody called
	}
}
