extends RefCounted
## Copies a folder with its links and permissions; files that are there already are left alone, so
## that models of gigabytes are copied once.


## Copies everything in [param from] into [param to]. What went wrong; empty when nothing did.
static func copy(from: String, to: String) -> String:
	var error := DirAccess.make_dir_recursive_absolute(to)
	if error != OK:
		return "%s cannot be made: %s" % [to, error_string(error)]
	var folder := DirAccess.open(from)
	if folder == null:
		return "%s cannot be read: %s" % [from, error_string(DirAccess.get_open_error())]
	folder.include_hidden = true
	for name in folder.get_directories():
		var problem := ""
		if folder.is_link(name):
			problem = _copy_link(folder, name, to)
		else:
			problem = copy(from.path_join(name), to.path_join(name))
		if not problem.is_empty():
			return problem
	for name in folder.get_files():
		var problem := ""
		if folder.is_link(name):
			problem = _copy_link(folder, name, to)
		else:
			problem = _copy_file(from.path_join(name), to.path_join(name))
		if not problem.is_empty():
			return problem
	return ""


static func _copy_file(from: String, to: String) -> String:
	if _is_same(from, to):
		return ""
	var permissions := FileAccess.get_unix_permissions(from)
	var error := DirAccess.copy_absolute(from, to, permissions if permissions > 0 else -1)
	return "" if error == OK else "%s cannot be written: %s" % [to, error_string(error)]


static func _copy_link(folder: DirAccess, name: String, to: String) -> String:
	var link := to.path_join(name)
	if folder.is_link(link):
		DirAccess.remove_absolute(link)
	var error := folder.create_link(folder.read_link(name), link)
	return "" if error == OK else "%s cannot be linked: %s" % [link, error_string(error)]


static func _is_same(from: String, to: String) -> bool:
	if not FileAccess.file_exists(to):
		return false
	return (
		FileAccess.get_size(from) == FileAccess.get_size(to)
		and FileAccess.get_modified_time(to) >= FileAccess.get_modified_time(from)
	)
